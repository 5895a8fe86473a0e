"""Stand-ins for the outside world that an operator can point at a running server.

`phone` is the command, `handset` the phone itself (no I/O), `drive` joins the two over `line`;
`endpoint` asks whether an address would serve a real phone.
"""
