import { gossipsub, type GossipSub } from '@libp2p/gossipsub'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { identify, type Identify } from '@libp2p/identify'
import type { ConnectionEncrypter, Libp2p, MultiaddrConnection } from '@libp2p/interface'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { tcpMultiaddr, type HostPort } from './host-address.ts'
import { silentLogger } from './silent-logger.ts'

/** Identify, ping and the connection monitor must agree on it, and differ from the public network's. */
const protocolPrefix = 'mesh'
/** Of our own envelope around every published message. */
export const messageIdBytes = 16
export const maxPublishedBytes = 512 * 1024

export type Host = Libp2p<{ identify: Identify; ping: Ping; pubsub: GossipSub }>

export interface HostOptions {
  readonly libp2pPrivateKey: Uint8Array
  readonly listen: HostPort
  readonly encrypter: ConnectionEncrypter
  readonly topics: readonly string[]
  /** Somebody connects; nothing was said yet. */
  readonly onInbound: (connection: MultiaddrConnection) => void
}

/** libp2p as this cluster uses it; not started yet. */
export function createHost(options: HostOptions): Promise<Host> {
  return createLibp2p({
    start: false,
    privateKey: privateKeyFromProtobuf(options.libp2pPrivateKey),
    addresses: { listen: [tcpMultiaddr(options.listen)] },
    logger: silentLogger,
    transports: [tcp()],
    connectionEncrypters: [() => options.encrypter],
    streamMuxers: [yamux()],
    connectionManager: {
      maxConnections: 2000,
      // Counted per address: a whole cluster may sit behind one, or on one machine.
      inboundConnectionThreshold: Infinity,
      maxIncomingPendingConnections: 1000,
      dialTimeout: 5000,
      addressDialTimeout: 5000,
      inboundUpgradeTimeout: 5000,
      inboundStreamProtocolNegotiationTimeout: 2000,
      // Gossipsub opens its streams one after another; a peer that dies meanwhile holds up the rest.
      outboundStreamProtocolNegotiationTimeout: 2000,
    },
    connectionMonitor: {
      protocolPrefix,
      pingInterval: 5000,
      pingTimeout: { minTimeout: 1500, maxTimeout: 5000 },
    },
    connectionGater: {
      // Members live on private and loopback addresses, whatever libp2p's default says of those.
      denyDialMultiaddr: () => false,
      denyInboundConnection: (connection) => {
        options.onInbound(connection)
        return false
      },
    },
    services: {
      identify: identify({ protocolPrefix }),
      ping: ping({ protocolPrefix }),
      pubsub: gossipsub(gossipOptions(options.topics)),
    },
  })
}

const gossipOptions = (topics: readonly string[]): Parameters<typeof gossipsub>[0] => ({
  allowedTopics: [...topics],
  // A cluster of one publishes too.
  allowPublishToZeroTopicPeers: true,
  fallbackToFloodsub: false,
  floodPublish: false,
  batchPublish: true,
  doPX: false,
  // Mutual TLS lets members in only; a signature a message would cost more than all the rest.
  globalSignaturePolicy: 'StrictNoSign',
  msgIdFn: (message) => message.data.subarray(0, messageIdBytes),
  // Scores would banish members that share an address, as behind NAT.
  scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 },
  maxInboundDataLength: messageIdBytes + maxPublishedBytes,
  maxOutboundBufferSize: 4 * 1024 * 1024,
})
