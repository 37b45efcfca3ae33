"""The three programs over the ports: client, worker and reconciler."""
