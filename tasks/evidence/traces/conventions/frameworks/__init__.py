"""Conventions of agent frameworks and SDKs that write spans of their own."""
