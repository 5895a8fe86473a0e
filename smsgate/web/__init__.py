"""HTTP at the rim: routes, authentication, and what each outcome is called on the wire."""
