// A queue, a database with two containers, and optionally Redis, for Flowcraft; and what its workers may do with them.

@description('Where; by default where the resource group is.')
param location string = resourceGroup().location

@description('The storage account: 3 to 24 lowercase letters and digits, its own in all of Azure.')
param storageAccountName string

@description('The Cosmos DB account, its own in all of Azure.')
param cosmosAccountName string

@description('The Redis, its own in the region; empty for none, and then all coordination is in Cosmos DB.')
param redisName string = ''

@description('The object ids of the identities of workers and clients.')
param principalIds array = []

param queueName string = 'flowcraft-jobs'
@description('The names that flows and workers call further queues by: gpu is called as the queue is, with -gpu behind that.')
param furtherQueues array = []

param databaseName string = 'flowcraft-db'
param contextContainerName string = 'contexts'
param statusContainerName string = 'statuses'

@description('The most request units per second of each container; it goes down to a tenth when there is less to do.')
@minValue(1000)
param maxThroughput int = 4000

@description('Seconds after which the status, and the records, of a run may be removed; -1 keeps them until a purge.')
param timeToLive int = -1

// Sends, receives, changes and deletes messages of one queue, and reads its properties; it cannot manage queues.
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
// Reads and writes documents; it cannot manage containers. Cosmos DB has roles of its own for data.
var cosmosDataContributor = '00000000-0000-0000-0000-000000000002'

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: storageAccountName
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_ZRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: storage
  name: 'default'
}

resource jobs 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: queueName
}

resource named 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [for name in furtherQueues: {
  parent: queues
  name: '${queueName}-${name}'
}]

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2024-05-15' = {
  name: cosmosAccountName
  location: location
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    disableLocalAuth: true
    minimalTlsVersion: 'Tls12'
    consistencyPolicy: {
      defaultConsistencyLevel: 'Session'
    }
    locations: [
      {
        locationName: location
        failoverPriority: 0
      }
    ]
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: 'Continuous7Days'
      }
    }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2024-05-15' = {
  parent: cosmos
  name: databaseName
  properties: {
    resource: {
      id: databaseName
    }
  }
}

// Facts are found by their ids, which are indexed anyway: an index of what is in them would only make writes dearer.
resource contexts 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-05-15' = {
  parent: database
  name: contextContainerName
  properties: {
    options: {
      autoscaleSettings: {
        maxThroughput: maxThroughput
      }
    }
    resource: {
      id: contextContainerName
      defaultTtl: timeToLive
      partitionKey: {
        kind: 'Hash'
        version: 2
        paths: [
          '/runId'
        ]
      }
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          {
            path: '/runId/?'
          }
        ]
        excludedPaths: [
          {
            path: '/*'
          }
        ]
      }
    }
  }
}

resource statuses 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-05-15' = {
  parent: database
  name: statusContainerName
  properties: {
    options: {
      autoscaleSettings: {
        maxThroughput: maxThroughput
      }
    }
    resource: {
      id: statusContainerName
      defaultTtl: timeToLive
      partitionKey: {
        kind: 'Hash'
        version: 2
        paths: [
          '/runId'
        ]
      }
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          {
            path: '/runId/?'
          }
          {
            path: '/status/?'
          }
          {
            path: '/nextCheck/?'
          }
          {
            path: '/lastUpdated/?'
          }
        ]
        excludedPaths: [
          {
            path: '/*'
          }
        ]
      }
    }
  }
}

// Azure Managed Redis, which speaks TLS on port 10000. What is in it may be lost: no persistence, and it may evict.
resource redis 'Microsoft.Cache/redisEnterprise@2024-10-01' = if (!empty(redisName)) {
  name: empty(redisName) ? 'none' : redisName
  location: location
  sku: {
    name: 'Balanced_B0'
  }
  properties: {
    minimumTlsVersion: '1.2'
  }
}

resource redisDatabase 'Microsoft.Cache/redisEnterprise/databases@2024-10-01' = if (!empty(redisName)) {
  parent: redis
  name: 'default'
  properties: {
    clientProtocol: 'Encrypted'
    clusteringPolicy: 'EnterpriseCluster'
    evictionPolicy: 'VolatileLRU'
    port: 10000
  }
}

resource mayUseTheQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in principalIds: {
  name: guid(jobs.id, principalId, queueDataContributor)
  scope: jobs
  properties: {
    principalId: principalId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}]

resource mayUseTheNamed 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for i in range(0, length(furtherQueues) * length(principalIds)): {
  name: guid(named[i / length(principalIds)].id, principalIds[i % length(principalIds)], queueDataContributor)
  scope: named[i / length(principalIds)]
  properties: {
    principalId: principalIds[i % length(principalIds)]
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}]

resource mayUseTheDatabase 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-05-15' = [for principalId in principalIds: {
  parent: cosmos
  name: guid(database.id, principalId, cosmosDataContributor)
  properties: {
    principalId: principalId
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/${cosmosDataContributor}'
    scope: '${cosmos.id}/dbs/${databaseName}'
  }
}]

output AZURE_STORAGE_QUEUE_ENDPOINT string = storage.properties.primaryEndpoints.queue
output COSMOS_DB_ENDPOINT string = cosmos.properties.documentEndpoint
output FLOWCRAFT_QUEUE string = queueName
output FLOWCRAFT_NAMED_QUEUES string = join(furtherQueues, ',')
output FLOWCRAFT_DATABASE string = databaseName
output FLOWCRAFT_CONTEXTS string = contextContainerName
output FLOWCRAFT_STATUSES string = statusContainerName
