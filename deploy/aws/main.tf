# A queue and three tables for Flowcraft, with a policy for its workers and clients.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "queue_name" {
  type    = string
  default = "flowcraft-jobs"
}

# The names that flows and workers call further queues by. `gpu` is called as the queue is, with `_gpu` behind that.
variable "queues" {
  type    = set(string)
  default = []
}

variable "context_table_name" {
  type    = string
  default = "flowcraft-contexts"
}

variable "status_table_name" {
  type    = string
  default = "flowcraft-statuses"
}

variable "coordination_table_name" {
  type    = string
  default = "flowcraft-coordination"
}

resource "aws_sqs_queue" "dead_letters" {
  name                       = "${var.queue_name}-dead"
  message_retention_seconds  = 1209600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 360
  sqs_managed_sse_enabled    = true
}

resource "aws_sqs_queue" "jobs" {
  name                      = var.queue_name
  message_retention_seconds = 1209600
  receive_wait_time_seconds = 20
  # For Lambda, which wants six times the timeout of its function. Workers say themselves how long they hold a message.
  visibility_timeout_seconds = 360
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 100
  })
}

resource "aws_sqs_queue" "named" {
  for_each                   = var.queues
  name                       = "${var.queue_name}_${each.key}"
  message_retention_seconds  = 1209600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 360
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 100
  })
}

resource "aws_dynamodb_table" "contexts" {
  name         = var.context_table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "runId"

  attribute {
    name = "runId"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_dynamodb_table" "statuses" {
  name         = var.status_table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "runId"

  attribute {
    name = "runId"
    type = "S"
  }

  attribute {
    name = "due_shard"
    type = "S"
  }

  attribute {
    name = "next_check"
    type = "N"
  }

  # What is due, for reconcilers; without it they scan the table.
  global_secondary_index {
    name            = "due"
    hash_key        = "due_shard"
    range_key       = "next_check"
    projection_type = "ALL"
  }

  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_dynamodb_table" "coordination" {
  name         = var.coordination_table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "key"

  attribute {
    name = "key"
    type = "S"
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }
}

# What a worker, a client, a reconciler and a Lambda function need, and nothing more. Attach it to their role.
data "aws_iam_policy_document" "worker" {
  statement {
    sid       = "Jobs"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:SendMessage"]
    resources = [aws_sqs_queue.jobs.arn]
  }

  dynamic "statement" {
    for_each = aws_sqs_queue.named
    content {
      actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:SendMessage"]
      resources = [statement.value.arn]
    }
  }

  statement {
    sid       = "Facts"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem"]
    resources = [aws_dynamodb_table.contexts.arn]
  }

  statement {
    sid       = "Statuses"
    actions   = ["dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.statuses.arn]
  }

  statement {
    sid       = "Due"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.statuses.arn}/index/due"]
  }

  statement {
    sid       = "Hints"
    actions   = ["dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.coordination.arn]
  }
}

resource "aws_iam_policy" "worker" {
  name        = "${var.queue_name}-worker"
  description = "Work on Flowcraft's jobs, start and steer runs."
  policy      = data.aws_iam_policy_document.worker.json
}

output "queue_url" {
  value = aws_sqs_queue.jobs.url
}

# As AwsBackend takes them.
output "queues" {
  value = { for name, queue in aws_sqs_queue.named : name => queue.url }
}

output "dead_letter_queue_url" {
  value = aws_sqs_queue.dead_letters.url
}

output "worker_policy_arn" {
  value = aws_iam_policy.worker.arn
}
