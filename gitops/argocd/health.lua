-- What Argo CD shows as the health of an Angzarr resource. The operator reports everything in conditions; this only translates them.
--
--   Stalled      a person has to act            Degraded
--   Paused       a person stopped all writes    Suspended
--   Suspended    no pods are wanted             Suspended
--   Reconciling  work is left                   Progressing
--   Ready        the declared generation serves Healthy

local function condition(kind)
  for _, found in ipairs(obj.status.conditions) do
    if found.type == kind and found.status == "True" then
      return found
    end
  end
  return nil
end

local health = { status = "Progressing", message = "the operator has not seen this version yet" }

if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end

local ways = {
  { "Stalled", "Degraded" },
  { "Paused", "Suspended" },
  { "Suspended", "Suspended" },
  { "Reconciling", "Progressing" },
  { "Ready", "Healthy" },
}
for _, way in ipairs(ways) do
  local found = condition(way[1])
  if found ~= nil then
    health.status = way[2]
    health.message = found.message
    return health
  end
end

health.message = "nothing serves yet"
return health
