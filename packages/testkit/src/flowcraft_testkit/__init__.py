"""Contracts, fakes and a simulator for those who write backends; nothing in it yet."""
