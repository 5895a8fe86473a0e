-- A poll that brings nothing, as 64 phones make it in turn.
local accounts, counter = {}, 0
local body = '{"messages":[],"updates":[]}'

for line in os.getenv("BENCH_AUTHORIZATIONS"):gmatch("[^\n]+") do
  accounts[#accounts + 1] = {
    ["Content-Type"] = "application/json",
    ["Accept"] = "application/json",
    ["Authorization"] = line,
  }
end

function request()
  counter = counter + 1
  return wrk.format("POST", "/api/sms", accounts[counter % #accounts + 1], body)
end

function done(summary, latency, _)
  io.write(string.format(
    "RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect,
    latency:percentile(50), latency:percentile(99)))
end
