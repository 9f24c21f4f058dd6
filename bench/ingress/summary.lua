-- What wrk did, as one line that a program reads.
done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests":%d,"bytes":%d,"failed":%d,"us":%d}\n',
    summary.requests, summary.bytes, failed, summary.duration))
end
