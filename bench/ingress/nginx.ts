import { ports, type Contender } from './contender.ts'
import type { Stage } from './stage.ts'

export const bytesOf = { small: 1024, bulk: 16 * 1024 * 1024 } as const
const backendHost = '127.0.57.9'
const proxyHost = '127.0.57.5'

/** What all of them proxy for: files out of memory, by sendfile. Its CPU counts for nobody. */
export function startBackend(stage: Stage): string {
  stage.write('small', Buffer.alloc(bytesOf.small, 'small '))
  stage.write('bulk', Buffer.alloc(bytesOf.bulk, 'some bytes of many; '))
  startNginx(
    stage,
    'backend',
    `worker_processes 1;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; keepalive_requests 1000000000;
  open_file_cache max=10;
  ${temporaryPaths(stage, 'backend')}
  server { listen ${backendHost}:8080 backlog=4096; root ${stage.folder};
    location = /count { stub_status; } }
}
`,
  )
  return `${backendHost}:8080`
}

/** How many requests the backend has taken so far, this one not counted. */
export async function requestsTaken(backend: string): Promise<number> {
  const response = await fetch(`http://${backend}/count`, { signal: AbortSignal.timeout(10_000) })
  const [, , taken] = /^ (\d+) (\d+) (\d+)/m.exec(await response.text())?.slice(1) ?? []
  return Number(taken)
}

export function startProxy(stage: Stage, backend: string): Contender & { readonly main: number } {
  const tcp = `${proxyHost}:${ports.tcp}`
  const http = `${proxyHost}:${ports.http}`
  const settings = `worker_processes auto;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events { worker_connections 8192; }
stream { server { listen ${tcp}; proxy_pass ${backend}; } }
http {
  access_log off;
  ${temporaryPaths(stage, 'proxy')}
  upstream backend { server ${backend}; keepalive 64; }
  server {
    listen ${http};
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto http;
    }
  }
}
`
  const main = startNginx(stage, 'proxy', settings)
  return { name: 'nginx', main, pids: [main], addresses: { tcp, http }, settings }
}

function startNginx(stage: Stage, name: string, settings: string): number {
  const pidPath = `${stage.folder}/${name}.pid`
  const text = `daemon off;\npid ${pidPath};\nerror_log stderr error;\n${settings}`
  const path = stage.write(`${name}.conf`, text)
  return stage.start('nginx', ['-p', stage.folder, '-e', 'stderr', '-c', path])
}

const temporaryPaths = (stage: Stage, name: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${stage.folder}/${name}-${kind};`)
    .join(' ')
