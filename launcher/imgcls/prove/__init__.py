"""Proofs of what imgcls promises: runs that are started, killed, continued and compared. No torch, no ray."""
