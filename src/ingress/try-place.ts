import type { Loop } from './loop.ts'
import type { Place } from './place.ts'
import type { TryOutcome, TryPlace } from './port-keeper.ts'
import type { DatagramLoop } from './udp/datagram-loop.ts'

/** Tries places on the machine. */
export function placeTrier(on: {
  readonly loop: Loop
  readonly datagrams: DatagramLoop
}): TryPlace {
  return (place, outcome) =>
    place.protocol === 'tcp'
      ? tryTcp(on.loop, place, outcome)
      : tryUdp(on.datagrams, place, outcome)
}

function tryTcp(loop: Loop, place: Place, { onFree, onTaken }: TryOutcome): () => void {
  const listening = loop.listen(
    { ...place, shared: false },
    {
      onListening: () => {
        loop.unlisten(listening)
        loop.atTurnEnd(onFree)
      },
      onListenFailed: onTaken,
      onAccept: () => null,
    },
  )
  return () => loop.unlisten(listening)
}

function tryUdp(datagrams: DatagramLoop, place: Place, { onFree, onTaken }: TryOutcome) {
  const socket = datagrams.bind(
    { ...place, shared: false },
    {
      onBound: () => {
        socket.close()
        onFree()
      },
      onDatagram: () => {},
      onFailed: onTaken,
    },
  )
  return () => socket.close()
}
