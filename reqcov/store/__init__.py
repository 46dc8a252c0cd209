"""The store: keeps what requests ran where every process of a server can write and a person can read."""
