# A queue, a database with two containers, and optionally Redis, for Flowcraft; and what its workers may do with them.

terraform {
  required_version = ">= 1.5"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.42, < 5.0"
    }
  }
}

variable "resource_group_name" {
  type = string
}

variable "location" {
  type = string
}

variable "storage_account_name" {
  type        = string
  description = "3 to 24 lowercase letters and digits, its own in all of Azure."
}

variable "cosmos_account_name" {
  type        = string
  description = "Its own in all of Azure."
}

variable "redis_name" {
  type        = string
  default     = ""
  description = "Its own in the region; empty for none, and then all coordination is in Cosmos DB."
}

variable "principal_ids" {
  type        = set(string)
  default     = []
  description = "The object ids of the identities of workers and clients."
}

variable "queue_name" {
  type    = string
  default = "flowcraft-jobs"
}

# The names that flows and workers call further queues by. `gpu` is called as the queue is, with `-gpu` behind that.
variable "queues" {
  type    = set(string)
  default = []
}

variable "database_name" {
  type    = string
  default = "flowcraft-db"
}

variable "context_container_name" {
  type    = string
  default = "contexts"
}

variable "status_container_name" {
  type    = string
  default = "statuses"
}

variable "max_throughput" {
  type        = number
  default     = 4000
  description = "The most request units per second of each container; it goes down to a tenth when there is less to do."
}

variable "time_to_live" {
  type        = number
  default     = -1
  description = "Seconds after which the status, and the records, of a run may be removed; -1 keeps them until a purge."
}

resource "azurerm_storage_account" "flowcraft" {
  name                            = var.storage_account_name
  resource_group_name             = var.resource_group_name
  location                        = var.location
  account_tier                    = "Standard"
  account_replication_type        = "ZRS"
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  min_tls_version                 = "TLS1_2"
}

resource "azurerm_storage_queue" "jobs" {
  name               = var.queue_name
  storage_account_id = azurerm_storage_account.flowcraft.id
}

resource "azurerm_storage_queue" "named" {
  for_each           = var.queues
  name               = "${var.queue_name}-${each.key}"
  storage_account_id = azurerm_storage_account.flowcraft.id
}

resource "azurerm_cosmosdb_account" "flowcraft" {
  name                          = var.cosmos_account_name
  resource_group_name           = var.resource_group_name
  location                      = var.location
  offer_type                    = "Standard"
  kind                          = "GlobalDocumentDB"
  local_authentication_disabled = true
  minimal_tls_version           = "Tls12"

  consistency_policy {
    consistency_level = "Session"
  }

  geo_location {
    location          = var.location
    failover_priority = 0
  }

  backup {
    type = "Continuous"
    tier = "Continuous7Days"
  }
}

resource "azurerm_cosmosdb_sql_database" "flowcraft" {
  name                = var.database_name
  resource_group_name = var.resource_group_name
  account_name        = azurerm_cosmosdb_account.flowcraft.name
}

# Facts are found by their ids, which are indexed anyway: an index of what is in them would only make writes dearer.
resource "azurerm_cosmosdb_sql_container" "contexts" {
  name                  = var.context_container_name
  resource_group_name   = var.resource_group_name
  account_name          = azurerm_cosmosdb_account.flowcraft.name
  database_name         = azurerm_cosmosdb_sql_database.flowcraft.name
  partition_key_paths   = ["/runId"]
  partition_key_version = 2
  default_ttl           = var.time_to_live

  autoscale_settings {
    max_throughput = var.max_throughput
  }

  indexing_policy {
    indexing_mode = "consistent"

    included_path {
      path = "/runId/?"
    }

    excluded_path {
      path = "/*"
    }
  }
}

resource "azurerm_cosmosdb_sql_container" "statuses" {
  name                  = var.status_container_name
  resource_group_name   = var.resource_group_name
  account_name          = azurerm_cosmosdb_account.flowcraft.name
  database_name         = azurerm_cosmosdb_sql_database.flowcraft.name
  partition_key_paths   = ["/runId"]
  partition_key_version = 2
  default_ttl           = var.time_to_live

  autoscale_settings {
    max_throughput = var.max_throughput
  }

  indexing_policy {
    indexing_mode = "consistent"

    included_path {
      path = "/runId/?"
    }

    included_path {
      path = "/status/?"
    }

    included_path {
      path = "/nextCheck/?"
    }

    included_path {
      path = "/lastUpdated/?"
    }

    excluded_path {
      path = "/*"
    }
  }
}

# Azure Managed Redis, which speaks TLS on port 10000. What is in it may be lost: no persistence, and it may evict.
resource "azurerm_managed_redis" "flowcraft" {
  count               = var.redis_name == "" ? 0 : 1
  name                = var.redis_name
  resource_group_name = var.resource_group_name
  location            = var.location
  sku_name            = "Balanced_B0"

  default_database {
    access_keys_authentication_enabled = true
    client_protocol                    = "Encrypted"
    clustering_policy                  = "EnterpriseCluster"
    eviction_policy                    = "VolatileLRU"
  }
}

# Sends, receives, changes and deletes messages of one queue, and reads its properties; it cannot manage queues.
resource "azurerm_role_assignment" "queue" {
  for_each             = var.principal_ids
  scope                = azurerm_storage_queue.jobs.id
  role_definition_name = "Storage Queue Data Contributor"
  principal_id         = each.value
}

resource "azurerm_role_assignment" "named_queue" {
  for_each             = { for pair in setproduct(var.queues, var.principal_ids) : "${pair[0]} ${pair[1]}" => pair }
  scope                = azurerm_storage_queue.named[each.value[0]].id
  role_definition_name = "Storage Queue Data Contributor"
  principal_id         = each.value[1]
}

# Reads and writes documents; it cannot manage containers. Cosmos DB has roles of its own for data.
resource "azurerm_cosmosdb_sql_role_assignment" "database" {
  for_each            = var.principal_ids
  resource_group_name = var.resource_group_name
  account_name        = azurerm_cosmosdb_account.flowcraft.name
  role_definition_id  = "${azurerm_cosmosdb_account.flowcraft.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002"
  principal_id        = each.value
  scope               = "${azurerm_cosmosdb_account.flowcraft.id}/dbs/${azurerm_cosmosdb_sql_database.flowcraft.name}"
}

output "AZURE_STORAGE_QUEUE_ENDPOINT" {
  value = azurerm_storage_account.flowcraft.primary_queue_endpoint
}

output "COSMOS_DB_ENDPOINT" {
  value = azurerm_cosmosdb_account.flowcraft.endpoint
}

output "FLOWCRAFT_QUEUE" {
  value = var.queue_name
}

output "FLOWCRAFT_NAMED_QUEUES" {
  value = join(",", var.queues)
}

output "FLOWCRAFT_DATABASE" {
  value = var.database_name
}

output "FLOWCRAFT_CONTEXTS" {
  value = var.context_container_name
}

output "FLOWCRAFT_STATUSES" {
  value = var.status_container_name
}
