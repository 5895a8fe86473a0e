-- One text a request, each with an id and a sender of its own, from 64 phones in turn. What a phone
-- was offered it acknowledges in its next request. The sender's number says which phone carried it,
-- so that the recipient of a reply tells whose list it belongs on. Five hundred people send by each phone.
local counter = 0
local accounts, waiting, seen = {}, {}, {}
local prefix = tostring(os.time()) .. "-" .. tostring({}):sub(8) .. "-"

for line in os.getenv("BENCH_AUTHORIZATIONS"):gmatch("[^\n]+") do
  accounts[#accounts + 1] = {
    ["Content-Type"] = "application/json",
    ["Accept"] = "application/json",
    ["Authorization"] = line,
  }
  waiting[#accounts] = {}
end

function request()
  counter = counter + 1
  local phone = counter % #accounts + 1
  local updates, mine = {}, waiting[phone]
  for n = 1, math.min(#mine, 20) do
    updates[n] = '{"id":"' .. table.remove(mine) .. '","status":"UNSENT"}'
  end
  local body = '{"messages":[{"id":"' .. prefix .. counter .. '","from":"+2547'
    .. string.format("%02d%06d", phone, math.floor(counter / #accounts) % 500)
    .. '","content":"1!ANC!Sam#23#2015","sms_sent":1773057600000,"sms_received":1773057601000}],'
    .. '"updates":[' .. table.concat(updates, ",") .. ']}'
  return wrk.format("POST", "/api/sms", accounts[phone], body)
end

function response(status, _, body)
  for id, phone in body:gmatch('"id":"([0-9a-f%-]+)","to":"%+2547(%d%d)') do
    if not seen[id] then
      seen[id] = true
      local mine = waiting[tonumber(phone)]
      mine[#mine + 1] = id
    end
  end
end

function done(summary, latency, _)
  io.write(string.format(
    "RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect,
    latency:percentile(50), latency:percentile(99)))
end
