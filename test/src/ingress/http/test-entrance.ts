import type { Socket } from 'node:net'
import { nodeId } from '../../../../mesh/base/ids.ts'
import { TaskDialer } from '../../../../src/ingress/dial-task.ts'
import { AccessLog, type AccessLine } from '../../../../src/ingress/http/access-log.ts'
import { HttpEntrance } from '../../../../src/ingress/http/http-entrance.ts'
import { NetLoop } from '../../../../src/ingress/net-loop.ts'
import { NetDatagrams } from '../../../../src/ingress/udp/net-datagrams.ts'
import { Routes } from '../../../../src/ingress/routes.ts'
import { ClientEnd } from '../../../../src/ingress/socket-end.ts'
import { Traffic, TrafficBook } from '../../../../src/ingress/counts/traffic.ts'
import {
  defaultIngressOptions,
  type IngressOptions,
} from '../../../../src/model/ingress-options.ts'
import { systemClock } from '../../../../src/runtime/system-clock.ts'
import { systemRandom } from '../../../../src/runtime/system-random.ts'
import { freePort, TestTasks } from '../test-tasks.ts'

export const host = '127.0.49.1'
const self = nodeId('here')

/** One port that speaks HTTP, in this process, with tasks behind it that a test makes. */
export class TestEntrance {
  readonly tasks = new TestTasks()
  readonly loop = new NetLoop(systemClock)
  readonly routes = new Routes()
  readonly traffic = new TrafficBook()
  /** By the access log. */
  readonly told: AccessLine[] = []
  readonly #accessLog: AccessLog
  readonly entrance: HttpEntrance
  readonly port: number
  #version = 0

  private constructor(port: number) {
    this.port = port
    const { loop, routes } = this
    this.#accessLog = new AccessLog(systemClock, ({ lines }) => {
      this.told.push(...lines)
      setImmediate(() => this.#accessLog.taken())
    })
    const dialer = new TaskDialer({
      loop,
      datagrams: new NetDatagrams(),
      routes,
      traffic: this.traffic,
    })
    this.entrance = new HttpEntrance(port, {
      loop,
      routes,
      clock: systemClock,
      random: systemRandom,
      accessLog: this.#accessLog,
      dialer: {
        dial: (_endpoint, request, handler) => dialer.dial(request, handler),
        isReachable: () => true,
      },
    })
  }

  static async open(): Promise<TestEntrance> {
    const entrance = new TestEntrance(await freePort())
    await entrance.#listen()
    return entrance
  }

  /** Tasks by name and address. */
  route(tasks: Readonly<Record<string, string>>, options: Partial<IngressOptions> = {}): void {
    const names = Object.keys(tasks)
    this.routes.replace({
      version: ++this.#version,
      self,
      listeners: [
        {
          protocol: 'tcp',
          port: this.port,
          serviceId: 'svc1',
          serviceName: 'web',
          options: { ...defaultIngressOptions, protocol: 'http', ...options },
          endpoints: names.map((task) => ({
            ...{ task, node: self, generation: 1, targetPort: 80, preferred: true },
          })),
        },
      ],
      peers: [],
      localTasks: names.map((task) => ({
        ...{ task, generation: 1, draining: false, targets: { 80: tasks[task] ?? '' } },
      })),
    })
    this.entrance.routesChanged()
  }

  client(): Socket {
    return this.tasks.client(host, this.port)
  }

  close(): void {
    this.tasks.close()
    this.entrance.stop()
    this.loop.stop()
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.loop.listen(
        { host, port: this.port, shared: false },
        {
          onListening: () => resolve(),
          onListenFailed: (code) => reject(new Error(code)),
          onAccept: (conn) => {
            const { listener } = this.entrance.port
            if (listener === undefined) return null
            const client = new ClientEnd(this.loop, conn, new Traffic())
            this.loop.atTurnEnd(() => this.entrance.begin(client, listener, () => {}))
            return client
          },
        },
      )
    })
  }
}

/** Collects what a socket receives, until it has this text or has ended. */
export async function until(socket: Socket, text: string): Promise<string> {
  let got = ''
  for await (const piece of socket) {
    got += String(piece)
    if (got.includes(text)) break
  }
  return got
}
