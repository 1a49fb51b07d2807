"""A dashboard as Grafana would show it, without a Grafana: what it says, and its data.

Read from Grafana's JSON, not from the catalogue: what is previewed is what will be loaded. How it
is drawn is in stigmer_ops.render.preview.
"""
