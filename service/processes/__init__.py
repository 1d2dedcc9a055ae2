"""The long-running processes of the service: node, worker, API, and `serve` above them."""
