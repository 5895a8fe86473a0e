"""Stand-ins for aggregators' services, for operators' trials and for the tests.

`service` is what they share: a small ASGI application with a script of faults and a memory of its
calls. One file a company says what it answers; `callbacks` posts to smsgate what it would post;
`serving` opens a port; `command` is `smsgate fake`. None of it knows anything of the aggregators in
`smsgate.aggregators`, so that those are judged against something else than themselves.
"""
