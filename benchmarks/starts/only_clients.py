"""The floor of a function in Lambda: the SDK, and the two clients."""

import os

import boto3
from starts.said import said

os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
clients = boto3.client("dynamodb"), boto3.client("sqs")
said()
