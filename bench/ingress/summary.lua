-- What failed, as one line that a program reads.
done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"failed":%d}\n', failed))
end
