"""The published Python example. Its only change: the address may be given as an argument."""

import random
import sys

import requests

BASE_URL = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
DIMENSION = 384

vectors = [[random.random() for _ in range(DIMENSION)] for _ in range(1000)]
ids = [f"vec_{i}" for i in range(1000)]

response = requests.post(f"{BASE_URL}/ingest", json={"vectors": vectors, "ids": ids})
print(response.status_code, response.json())

query = [random.random() for _ in range(DIMENSION)]
response = requests.post(f"{BASE_URL}/search", json={"vector": query, "k": 5})
print(response.status_code, response.json())
