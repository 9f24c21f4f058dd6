import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface IngressSettings {
  readonly dataDir: string
  readonly listenAddr: string
  readonly dataPathPort: number
  /** Null: one per core. */
  readonly workers: number | null
  readonly engine: 'auto' | 'ring' | 'net'
  readonly logFormat: 'json' | 'pretty'
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly logName: string
}

export interface IngressProcess {
  readonly pid: number
  /** It could serve at once. */
  readonly isLoaded: boolean
  /** Resolves when it could, or has ended. */
  readonly loaded: Promise<void>
  readonly hasEnded: boolean
  /** Its exit code or signal, once it has ended. */
  readonly exit: number | string | null
  /** Resolves with that. */
  readonly ended: Promise<number | string>
  /** Until then it owns no port and no file, and ends with this process. */
  serve(): void
  kill(): void
  /** Lets this process end while the ingress goes on. */
  leave(): void
}

/** Exit codes and signals of an ingress that somebody told to end. */
export const orderlyEnds: readonly (number | string | null)[] = [0, 'SIGTERM', 'SIGINT']

/** Node calls `node:ffi` an experiment each time; the exact version is pinned for that reason. */
const quiet = ['--disable-warning=ExperimentalWarning']

/**
 * Starts an ingress with this Node, in this process group, with this standard error. It loads, and
 * waits for the word to serve.
 */
export function spawnIngress(settings: IngressSettings): IngressProcess {
  const main = fileURLToPath(new URL('../ingress/main.ts', import.meta.url))
  const child = spawn(process.execPath, [...quiet, main, ...flags(settings)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let exit: number | string | null = null
  let isLoaded = false
  const loaded = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<number | string>()
  const end = (how: number | string): void => {
    exit = how
    ended.resolve(how)
    loaded.resolve()
  }
  child.once('error', (error) => end(error.message))
  child.once('exit', (code, signal) => end(code ?? signal ?? 0))
  child.stdin.on('error', () => {})
  child.stdout.on('error', () => {})
  child.stdout.once('data', () => {
    isLoaded = true
    loaded.resolve()
    child.stdout.destroy()
  })
  return {
    pid: child.pid ?? 0,
    get isLoaded() {
      return isLoaded && exit === null
    },
    get hasEnded() {
      return exit !== null
    },
    get exit() {
      return exit
    },
    loaded: loaded.promise,
    ended: ended.promise,
    serve: () => void child.stdin.end('serve\n'),
    kill: () => void child.kill('SIGKILL'),
    leave: () => {
      child.stdout.destroy()
      child.unref()
    },
  }
}

function flags(settings: IngressSettings): string[] {
  const given: Record<string, string> = {
    'data-dir': settings.dataDir,
    'listen-addr': settings.listenAddr,
    'data-path-port': String(settings.dataPathPort),
    engine: settings.engine,
    'log-format': settings.logFormat,
    'log-level': settings.logLevel,
    ...(settings.logName === '' ? {} : { 'log-name': settings.logName }),
    ...(settings.workers === null ? {} : { workers: String(settings.workers) }),
  }
  return Object.entries(given).flatMap(([flag, value]) => [`--${flag}`, value])
}
