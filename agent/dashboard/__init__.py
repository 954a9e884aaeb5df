"""The dashboard: what people see of a laboratory in a browser, and where they decide.

It is a plain client of the laboratory's broker: what it shows came over MQTT, and what people decide in it leaves as
the same signed message that any other client could send.
"""
