import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface IngressSettings {
  readonly dataDir: string
  readonly listenAddr: string
  readonly dataPathPort: number
  /** Null: one per core. */
  readonly workers: number | null
  readonly logFormat: 'json' | 'pretty'
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly logName: string
}

export interface IngressProcess {
  readonly hasEnded: boolean
  /** Its exit code or signal, once it has ended. */
  readonly exit: number | string | null
  kill(): void
  /** Lets this process end while the ingress goes on. */
  leave(): void
}

/** Starts an ingress with this Node, in this process group, with this standard error. */
export function spawnIngress(settings: IngressSettings): IngressProcess {
  const main = fileURLToPath(new URL('../ingress/main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, ...flags(settings)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  let exit: number | string | null = null
  child.once('error', (error) => {
    exit = error.message
  })
  child.once('exit', (code, signal) => {
    exit = code ?? signal
  })
  return {
    get hasEnded() {
      return exit !== null
    },
    get exit() {
      return exit
    },
    kill: () => void child.kill('SIGKILL'),
    leave: () => child.unref(),
  }
}

function flags(settings: IngressSettings): string[] {
  const given: Record<string, string> = {
    'data-dir': settings.dataDir,
    'listen-addr': settings.listenAddr,
    'data-path-port': String(settings.dataPathPort),
    'log-format': settings.logFormat,
    'log-level': settings.logLevel,
    ...(settings.logName === '' ? {} : { 'log-name': settings.logName }),
    ...(settings.workers === null ? {} : { workers: String(settings.workers) }),
  }
  return Object.entries(given).flatMap(([flag, value]) => [`--${flag}`, value])
}
