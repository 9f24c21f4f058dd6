import { NetDatagrams } from '../../../../src/ingress/udp/net-datagrams.ts'
import { datagramContract } from '../../../support/datagram-contract.ts'

datagramContract('NetDatagrams', () => new NetDatagrams())
