"""The catalogue's dashboard as Grafana loads it: classic JSON, the v2 resource, provisioning.

appearance.py decides how panels look, once; classic.py and v2.py say it in Grafana's two schemas,
and visual.py what both have in common.
"""
