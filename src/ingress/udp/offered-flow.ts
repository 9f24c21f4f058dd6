import type { DialRequest, TaskDialer } from '../dial-task.ts'
import type { TrafficBook } from '../counts/traffic.ts'
import type { FlowEnd } from './flow-end.ts'
import type { TunnelFlow } from './tunnel-flow.ts'

/** Answers an OPEN of a peer: joins its flow with the task, or says why not. */
export function offerFlow(
  flow: TunnelFlow,
  request: DialRequest,
  deps: { readonly dialer: TaskDialer; readonly traffic: TrafficBook },
): void {
  deps.dialer.dialFlow(request, {
    onOpen: (task) => {
      const traffic = deps.traffic.of(request.task)
      pass(flow, task, () => {})
      // A task answers as it likes: what the tunnel has no room for is lost here.
      pass(task, flow, () => (traffic.dropped += 1))
      flow.accept()
    },
    onFailed: ({ kind }) => {
      if (kind === 'gone') flow.refuse()
      else flow.close()
    },
  })
}

function pass(from: FlowEnd, to: FlowEnd, onDropped: () => void): void {
  from.setHandler({
    onDatagram: (bytes) => {
      if (!to.send(bytes)) onDropped()
    },
    onClosed: () => to.close(),
  })
}
