"""The lease storage under the name that servers were configured with before it moved."""

from deployments.local.slot_leases import ConcurrencyLeaseStorage

__all__ = ["ConcurrencyLeaseStorage"]
