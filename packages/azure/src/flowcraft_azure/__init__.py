"""The Azure backend, on Queue Storage, Cosmos DB and Redis; nothing in it yet."""
