"""What a person types: parse, call the library, render. No decisions here."""
