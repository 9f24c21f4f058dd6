/**
 * Who may import whom, folder by folder: the law of the house. An edge that is not here is a
 * mistake until this table says otherwise. `mesh` never imports `src`.
 */
export const importTable: Readonly<Record<string, readonly string[]>> = {
  // ◆ pure
  'mesh/base': [],
  'mesh/membership': ['mesh/base'],
  'mesh/raft': ['mesh/base'],
  'mesh/catalog': ['mesh/base'],
  'mesh/discovery': ['mesh/base'],
  'src/model': ['mesh/base', 'mesh/catalog', 'mesh/membership'],
  'src/orchestrator': ['mesh/base', 'mesh/catalog', 'mesh/membership', 'src/model'],
  'src/task': ['mesh/base', 'src/model'],
  'src/routing': ['mesh/base', 'src/model'],

  // drivers of the mesh
  'mesh/wire': ['mesh/base', 'mesh/membership', 'mesh/raft', 'mesh/catalog', 'mesh/discovery'],
  'mesh/identity': ['mesh/base', 'mesh/wire'],
  'mesh/storage': ['mesh/base', 'mesh/raft'],
  'mesh/transport': ['mesh/base', 'mesh/wire', 'mesh/identity'],
  'mesh/node': [
    'mesh/base',
    'mesh/membership',
    'mesh/raft',
    'mesh/catalog',
    'mesh/discovery',
    'mesh/wire',
    'mesh/identity',
    'mesh/storage',
    'mesh/transport',
  ],

  // drivers of the product
  'src/leader': ['mesh/base', 'mesh/node', 'src/model', 'src/orchestrator'],
  'src/agent': ['mesh/base', 'mesh/catalog', 'src/model', 'src/task', 'src/containers'],
  'src/containers': ['mesh/base', 'src/model'],
  'src/wire': ['mesh/base', 'src/model', 'src/routing'],
  'src/ingress': [
    'mesh/base',
    'mesh/identity',
    'mesh/wire',
    'src/routing',
    'src/runtime',
    'src/wire',
  ],
  'src/api': ['mesh/base', 'mesh/catalog', 'mesh/node', 'src/model', 'src/orchestrator'],
  'src/client': [],
  'src/runtime': ['mesh/base'],
  'src/meshctl': ['src/client'],
}

/** The composition root sees everything. */
export const seesEverything: readonly string[] = ['src/meshd']

/** Only these may hold a pointer, a package of the transport, and so on. */
export const pureFolders: readonly string[] = [
  'mesh/base',
  'mesh/membership',
  'mesh/raft',
  'mesh/catalog',
  'mesh/discovery',
  'src/model',
  'src/orchestrator',
  'src/task',
  'src/routing',
]
