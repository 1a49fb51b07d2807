"""Finding the token in whatever an operator has at hand: a file, a log line, a payload.

Each known wrapping (see `layers`) is tried, inside out again, and what decodes as a token wins: no
guess is made from the look of the text, since hexadecimal is valid base64, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from stigmer_ops.handshake.token.damage import Damage, DamageKind, TokenDamagedError
from stigmer_ops.handshake.token.decode import damage_of, decode
from stigmer_ops.handshake.token.layers import (
    Layer,
    base64_text,
    decimal_list,
    hexadecimal,
    json_document,
    line_end,
    marked_text,
    quoted,
    shortened,
    text_runs,
)
from stigmer_ops.handshake.token.task import TaskToken, fingerprint

Peel = Callable[[bytes], Iterator[Layer]]

WHOLE: tuple[Peel, ...] = (
    json_document,
    quoted,
    hexadecimal,
    decimal_list,
    base64_text,
    shortened,
    marked_text,
    line_end,
)
"""Forms of the input as a whole."""

PARTS: tuple[Peel, ...] = (text_runs,)
"""Forms of a part of it, tried when it is none as a whole."""

_MAX_LAYERS = 8
_SHORTEST_TOKEN = 40
# Bounds the time for a log file of any size; a screenful has a few dozen.
_MAX_CANDIDATES = 5_000

# The higher, the more an explanation tells about input that holds no token.
_TELLING = {DamageKind.EMPTY: 1, DamageKind.BASE64_TEXT: 2, DamageKind.TRUNCATED: 3}


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token, and how it was wrapped.

    Attributes:
        token: The decoded token.
        layers: The forms that were peeled off, outermost first; none for raw bytes.
        notes: What the operator should know about the input, one sentence each.
        others: Fingerprints of further, different tokens in the same input. A write must not guess
            which of them was meant.
        damage: What is wrong with the token as the holder stores it, though it could be read here:
            BASE64_TEXT for a double encoding.
    """

    token: TaskToken
    layers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    damage: Damage | None = None

    @property
    def raw(self) -> bytes:
        """The token's bytes. Secret."""
        return self.token.raw

    @property
    def form(self) -> str:
        """The layers in one line, outermost first."""
        return " > ".join(self.layers) or "raw bytes"


def read_form(data: bytes) -> FoundToken:
    """Find the task token in bytes of any accepted form.

    Accepted are raw bytes; base64 (RFC 4648, both alphabets, with or without padding, encoded up to
    a few times); hexadecimal; lists of byte values; any of these in quotes, as a JSON string, under
    a token's key anywhere in a JSON document, or in log lines.

    Args:
        data: As read from standard input, a file, the environment or an argument.

    Raises:
        TokenDamagedError: There is no token; the error explains the reading that came furthest.
    """
    search = _Search()
    search.visit(data, ())
    return search.result()


class _Search:
    def __init__(self) -> None:
        self.found: dict[bytes, tuple[TaskToken, tuple[Layer, ...]]] = {}
        self.seen: dict[bytes, bool] = {}
        self.best: tuple[tuple[int, int, int], Damage, tuple[Layer, ...]] | None = None

    def visit(self, data: bytes, layers: tuple[Layer, ...], *, partial: bool = False) -> bool:
        """Look for tokens in data and inside its wrappings; whether there is one."""
        if data in self.seen or len(self.seen) >= _MAX_CANDIDATES:
            return self.seen.get(data, False)
        self.seen[data] = False
        try:
            token = decode(data)
        except TokenDamagedError as error:
            self._remember(error.damage, data, layers, partial=partial)
        else:
            self.found.setdefault(token.raw, (token, layers))
            self.seen[data] = True
            return True
        if len(layers) < _MAX_LAYERS:
            self.seen[data] = self._inside(data, layers, partial=partial)
        return self.seen[data]

    def _inside(self, data: bytes, layers: tuple[Layer, ...], *, partial: bool) -> bool:
        for peels in (WHOLE, PARTS):
            part = partial or peels is PARTS
            inner = [layer for peel in peels for layer in peel(data)]
            # All of them, not up to the first: other tokens in the input must not go unnoticed.
            hits = [self.visit(each.inside, (*layers, each), partial=part) for each in inner]
            if any(hits):
                return True
        return False

    def _remember(
        self, damage: Damage, data: bytes, layers: tuple[Layer, ...], *, partial: bool
    ) -> None:
        """Keep the reading that came furthest."""
        if damage.kind is DamageKind.NOT_A_TOKEN:
            # Prose is often valid base64 of a few odd bytes, which explains nothing.
            if partial or (layers and len(data) < _SHORTEST_TOKEN):
                return
            rank = (0, 0, len(layers))
        else:
            rank = (_TELLING[damage.kind], damage.offset or 0, len(layers))
        if self.best is None or rank > self.best[0]:
            self.best = (rank, damage, layers)

    def result(self) -> FoundToken:
        if not self.found:
            assert self.best is not None
            _, explanation, read_as = self.best
            raise TokenDamagedError(explanation, [layer.form for layer in read_as])
        (token, layers), *others = self.found.values()
        damage = _damage_as_stored(layers)
        notes = [damage.reason] if damage else []
        if others:
            notes.append(f"the input holds {len(others)} more, different tokens")
        return FoundToken(
            token,
            tuple(layer.form for layer in layers),
            tuple(notes),
            tuple(fingerprint(other.raw) for other, _ in others),
            damage,
        )


def _damage_as_stored(layers: tuple[Layer, ...]) -> Damage | None:
    """JSON and terminals carry bytes in one base64; a further one is stored with the token."""
    encodings = list(takewhile(lambda layer: layer.form.startswith("base64"), reversed(layers)))
    return damage_of(encodings[-1].inside) if encodings else None
