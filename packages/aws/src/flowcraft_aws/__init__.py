"""The AWS backend, on SQS and DynamoDB; nothing in it yet."""
