import * as z from 'zod'

/** One published port, as the ingress of one node has it. */
export interface IngressPort {
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  readonly mode: 'tcp' | 'udp' | 'http'
  readonly serviceId: string
  readonly serviceName: string
  /** Tasks that clients can be sent to, wherever they run. */
  readonly tasks: number
  readonly places: readonly {
    readonly host: string
    readonly state: 'bound' | 'opening' | 'taken' | 'absent'
  }[]
}

/** What a node says of its ports when another one asks. */
export const ingressReport = z.object({
  Error: z.string().exactOptional(),
  Ports: z.array(
    z.object({
      Port: z.int(),
      Protocol: z.string(),
      Mode: z.string(),
      ServiceID: z.string(),
      ServiceName: z.string(),
      Listening: z.array(z.string()),
      Bound: z.boolean(),
      Tasks: z.int(),
      Warnings: z.array(z.string()),
    }),
  ),
})

export type IngressReport = z.infer<typeof ingressReport>

export function reportOf(ports: readonly IngressPort[] | null): IngressReport {
  if (ports === null) return { Error: 'its ingress does not run', Ports: [] }
  return { Ports: ports.map(describePort) }
}

function describePort(given: IngressPort): IngressReport['Ports'][number] {
  const { port, protocol, mode, serviceId, serviceName, tasks, places } = given
  const bound = places.filter(({ state }) => state === 'bound')
  const wanted = places.filter(({ state }) => state !== 'absent')
  return {
    Port: port,
    Protocol: protocol,
    Mode: mode,
    ServiceID: serviceId,
    ServiceName: serviceName,
    Listening: bound.map(({ host }) => host),
    Bound: bound.length > 0 && bound.length === wanted.length,
    Tasks: tasks,
    Warnings: warningsOf(given),
  }
}

function warningsOf({ places, tasks }: IngressPort): string[] {
  const hosts = (wanted: string): string =>
    places
      .filter(({ state }) => state === wanted)
      .map(({ host }) => host)
      .join(', ')
  return [
    ...(hosts('taken') === '' ? [] : [`another program listens at ${hosts('taken')}`]),
    ...(hosts('absent') === '' ? [] : [`the node does not have ${hosts('absent')}`]),
    ...(hosts('opening') === '' && places.length > 0 ? [] : ['about to listen']),
    ...(tasks === 0 ? ['no task is ready'] : []),
  ]
}
