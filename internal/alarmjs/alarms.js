"use strict";
// This module runs in the Node process of CDK. It reads and attaches alarms there, because a call from Go takes longer
// than everything that the call does.

const { Aspects, CfnResource, DefaultTokenResolver, Reference, Resource, Stack, Stage, StringConcat, TagManager, Token, Tokenization, TreeInspector } =
  require("aws-cdk-lib");
const { AlarmBase } = require("aws-cdk-lib/aws-cloudwatch");

const RESOURCE_TYPES = ["AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::LogAlarm"];

function isAlarmResource(construct) {
  return CfnResource.isCfnResource(construct) && RESOURCE_TYPES.includes(construct.cfnResourceType);
}

// A resource without properties of its own, `new CfnResource(…)`, can't be attached.
function isResource(construct) {
  return isAlarmResource(construct) && "alarmActions" in construct;
}

function isGeneric(construct) {
  return isAlarmResource(construct) && !isResource(construct);
}

// resourceOf returns the resource of an alarm construct, or undefined if the construct is imported or not an alarm.
function resourceOf(construct) {
  const resource = isResource(construct) ? construct : construct.node.defaultChild;
  return isResource(resource) ? resource : undefined;
}

function propertiesOf(resource) {
  const inspector = new TreeInspector();
  resource.inspect(inspector);
  return inspector.attributes["aws:cdk:cloudformation:props"];
}

// jsonOf returns an intrinsic function as JSON, and other values as they are.
function jsonOf(value) {
  return value !== null && typeof value === "object" ? JSON.stringify(value) : value;
}

// Identities resolves a reference to the path of its target. CloudFormation's text does not identify a target: resources of
// two stacks can have the same logical ID.
class Identities extends DefaultTokenResolver {
  constructor() {
    super({ join: (left, right) => new StringConcat().join(jsonOf(left), jsonOf(right)) });
  }

  resolveToken(token, context, postProcessor) {
    return Reference.isReference(token)
      ? `${token.target.node.path}.${token.displayName}`
      : super.resolveToken(token, context, postProcessor);
  }
}

function identify(value, scope) {
  return Tokenization.resolve(value, { scope, resolver: new Identities() });
}

// An override of a property has CloudFormation's name of it.
const OVERRIDDEN = {
  alarmName: "AlarmName",
  alarmDescription: "AlarmDescription",
  actionConfiguration: "ActionConfiguration",
  alarmRule: "AlarmRule",
  namespace: "Namespace",
  dimensions: "Dimensions",
  metrics: "Metrics",
  actionsEnabled: "ActionsEnabled",
  alarmActions: "AlarmActions",
  okActions: "OKActions",
};

// overridesOf returns the property overrides of a resource, or undefined if there are none. The field is private.
function overridesOf(resource) {
  return resource.rawOverrides?.Properties;
}

// isObject reports whether a value is an object whose keys CDK merges: not an array, and not an intrinsic function.
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !Object.keys(value).some((key) => key === "Ref" || key.startsWith("Fn::"));
}

// merged returns a value with an override, as CDK merges them. The keys of an override may be the indexes of a list.
function merged(value, override) {
  if (!isObject(override)) {
    return override;
  }
  const result = Array.isArray(value) ? [...value] : { ...(isObject(value) ? value : {}) };
  Object.keys(override).forEach((key) => (result[key] = merged(result[key], override[key])));
  return result;
}

// effective returns the value of a property with its override, if there is one, and then with identified references.
function effective(resource, property, value) {
  const overrides = overridesOf(resource);
  const name = OVERRIDDEN[property];
  return overrides && name in overrides ? merged(identify(value, resource), identify(overrides[name], resource)) : value;
}

// effectiveText is effective for a property that is a text. It keeps tokens.
function effectiveText(resource, property, value) {
  const overrides = overridesOf(resource);
  const name = OVERRIDDEN[property];
  return textOf(overrides && name in overrides ? overrides[name] : value);
}

// textOf returns a text, with a token if the value is an intrinsic function.
function textOf(value) {
  return value === null || typeof value !== "object" ? value : Token.asString(value);
}

// ACTIONS are the properties of a resource that contain actions, with their names in CloudFormation.
const ACTIONS = { alarmActions: "AlarmActions", okActions: "OKActions" };

// isList reports whether the actions of a resource are a list or not set. An intrinsic function may be one only in CloudFormation.
function isList(resource, property) {
  const value = effective(resource, property, resource[property]);
  return value == null || (Array.isArray(value) && !Token.isUnresolved(value)) || Array.isArray(identify(value, resource) ?? []);
}

// nameOf returns the name of the alarm of a resource; nothing if CloudFormation generates it. The field cfnProperties is private.
function nameOf(resource) {
  const name = isGeneric(resource) ? resource.cfnProperties?.AlarmName : propertiesOf(resource).alarmName;
  return effectiveText(resource, "alarmName", name);
}

// beginningOf returns the beginning of a text that is known at synth: all of it, or what comes before its first token or intrinsic
// function.
function beginningOf(text, scope) {
  const join = (left, right) => (left === undefined ? right : right === undefined ? left : { "Fn::Join": ["", [left, right]] });
  return knownBeginning(Tokenization.resolve(text, { scope, resolver: new DefaultTokenResolver({ join }) }));
}

function knownBeginning(value) {
  if (typeof value === "string") {
    return value;
  }
  const [separator, parts] = value?.["Fn::Join"] ?? [];
  if (Array.isArray(parts)) {
    const end = parts.findIndex((part) => typeof part !== "string"); // at least one, or CDK would have joined them
    return [...parts.slice(0, end), knownBeginning(parts[end])].join(separator);
  }
  const [template] = [value?.["Fn::Sub"]].flat();
  return typeof template === "string" ? template.split("${")[0] : "";
}

// SCALING_POLICY_TYPES are the resources that scale something if they are the action of an alarm.
const SCALING_POLICY_TYPES = ["AWS::ApplicationAutoScaling::ScalingPolicy", "AWS::AutoScaling::ScalingPolicy"];

const SCALING_POLICY = "a scaling policy";

// ScalingPolicies resolves a reference to a scaling policy to SCALING_POLICY.
class ScalingPolicies extends DefaultTokenResolver {
  constructor() {
    super(new StringConcat());
  }

  resolveToken(token, context, postProcessor) {
    return Reference.isReference(token) && SCALING_POLICY_TYPES.includes(token.target.cfnResourceType)
      ? SCALING_POLICY
      : super.resolveToken(token, context, postProcessor);
  }
}

// onlyScales reports whether the ALARM state of an alarm has actions, and all of them scale something.
function onlyScales(resource) {
  if (!resource || overridesOf(resource)?.AlarmActions !== undefined) {
    return false;
  }
  const actions = Tokenization.resolve(resource.alarmActions ?? [], { scope: resource, resolver: new ScalingPolicies() });
  const scales = (action) => action === SCALING_POLICY || /^arn:[^:]+:autoscaling:[^:]*:[^:]*:scalingPolicy:/.test(action);
  return Array.isArray(actions) && actions.length > 0 && actions.every(scales);
}

// Targets collects the resources to which a value refers.
class Targets extends DefaultTokenResolver {
  constructor() {
    super(new StringConcat());
    this.found = new Set();
  }

  resolveToken(token, context, postProcessor) {
    if (!Reference.isReference(token)) {
      return super.resolveToken(token, context, postProcessor);
    }
    this.found.add(token.target);
    return token.displayName;
  }
}

// measuredBy returns the dimensions and metrics of each metric alarm that decides an alarm: of itself, or of those to which the rule
// of a composite alarm refers.
function measuredBy(resource, seen = new Set()) {
  if (seen.has(resource)) {
    return [];
  }
  seen.add(resource);
  const properties = propertiesOf(resource);
  const rule = overridesOf(resource)?.AlarmRule ?? properties.alarmRule;
  if (rule === undefined) {
    return [identify(["dimensions", "metrics"].map((name) => effective(resource, name, properties[name])), resource)];
  }
  const targets = new Targets();
  Tokenization.resolve(rule, { scope: resource, resolver: targets });
  return [...targets.found].filter(isResource).flatMap((alarm) => measuredBy(alarm, seen));
}

// described maps the root of an app to its described alarms by their paths. jsii needs longer to translate the constructs of many
// alarms than the paths.
const described = new WeakMap();

function describedBelow(root) {
  if (!described.has(root)) {
    described.set(root, new Map());
  }
  return described.get(root);
}

// describe returns a description of an alarm. If the construct is the resource of an alarm construct, the result describes the
// latter, whose actions are a token that can't be changed.
function describe(construct) {
  const resource = resourceOf(construct);
  if (resource === construct && construct.node.scope instanceof AlarmBase) {
    construct = construct.node.scope;
  }
  const alarm = { construct, path: construct.node.path };
  describedBelow(construct.node.root).set(alarm.path, construct);
  if (isGeneric(construct)) {
    return Object.assign(alarm, { stack: Stack.of(construct), alarmName: nameOf(construct), measured: [], unlisted: [], generic: true });
  }
  if (!resource) {
    return alarm;
  }
  const properties = propertiesOf(resource);
  const [alarmName, alarmRule, namespace] = ["alarmName", "alarmRule", "namespace"].map((name) => effectiveText(resource, name, properties[name]));
  const measured = measuredBy(resource);
  const unlisted = Object.keys(ACTIONS).filter((property) => !isList(resource, property)).map((property) => ACTIONS[property]);
  const beginning = Token.isUnresolved(alarmName) ? beginningOf(alarmName, construct) : undefined;
  return Object.assign(alarm, { stack: Stack.of(construct), alarmName, beginning, alarmRule, namespace, measured, unlisted });
}

// describeFound describes an alarm that AttachAll finds.
function describeFound(construct) {
  return Object.assign(describe(construct), { onlyScales: onlyScales(resourceOf(construct)) });
}

// pack returns what the Go function unpack reads: what jsii must translate, which takes longer than the description itself, only
// if Go does not have it, and the rest as one text.
function pack({ construct, stack, ...rest }, knownConstruct, knownStack) {
  const packed = { text: JSON.stringify(rest) };
  if (construct !== knownConstruct) {
    packed.construct = construct;
  }
  if (stack && stack !== knownStack) {
    packed.stack = stack;
  }
  return packed;
}

// packAll packs descriptions, each stack once.
function packAll(alarms) {
  return alarms.map((alarm, i) => pack(alarm, undefined, i > 0 ? alarms[i - 1].stack : undefined));
}

// actions maps actions to their JSON with identified references, which is the same everywhere in an app.
const actions = new Map();

function identified(action, scope) {
  if (!actions.has(action)) {
    actions.set(action, JSON.stringify(identify(action, scope)));
  }
  return actions.get(action);
}

// countActions returns the number of an alarm's actions for one state, and how many of them are wanted, which is an action as
// JSON with identified references. If they are an intrinsic function, it has no elements.
function countActions(resource, property, wanted) {
  const actions = identify(effective(resource, property, resource[property]), resource) ?? [];
  if (!Array.isArray(actions)) {
    return { all: 0, own: JSON.stringify(actions).includes(wanted) ? 1 : 0, unlisted: true };
  }
  return { all: actions.length, own: actions.filter((a) => JSON.stringify(a) === wanted).length };
}

// attach adds an action to an alarm, for ALARM and, if recovery is true, for OK. It does not add an action twice, because
// CloudFormation rejects duplicates.
function attach(construct, action, recovery) {
  const resource = resourceOf(construct);
  const wanted = identified(action, resource);
  const add = (property, method) => {
    const { own, unlisted } = countActions(resource, property, wanted);
    if (own > 0 || unlisted) {
      return;
    }
    // The app may have replaced the actions of an alarm construct, a token, in the resource. An override replaces both.
    const field = resource[property] ?? [];
    if (Array.isArray(field) && !Token.isUnresolved(field) && (resource === construct || resource[property])) {
      resource[property] = [...field, action];
    } else if (resource !== construct) {
      construct[method]({ bind: () => ({ alarmActionArn: action }) });
    }
  };
  add("alarmActions", "addAlarmAction");
  if (recovery) {
    add("okActions", "addOkAction");
  }
}

const TOPIC_POLICY_TYPES = ["AWS::SNS::TopicPolicy", "AWS::SNS::TopicInlinePolicy"];

// synthesized returns the properties of a resource as they will be in the template, with property overrides and identified
// references. The method is private, and also exists in generic resources.
function synthesized(resource) {
  const [{ Properties: properties = {} } = {}] = Object.values(identify(resource._toCloudFormation(), resource).Resources ?? {});
  return properties;
}

// topicPolicyOf returns the topics and the statements of a policy resource.
function topicPolicyOf(resource) {
  const properties = synthesized(resource);
  const topics = [properties.Topics ?? [], properties.TopicArn ?? []].flat().filter((topic) => typeof topic === "string");
  return { topics, statements: JSON.stringify([properties.PolicyDocument?.Statement ?? []].flat()) };
}

// RUNBOOK is the tag of an alarm that names its runbook, and the beginning of the line of its description that does, both in lower
// case, as in the package alarmevent.
const RUNBOOK = "runbook";

// runbookOf returns the description of an alarm if it may name a runbook, the tag that names one, and whether events contain the
// alarm's tags. An intrinsic function may turn the propagation on.
function runbookOf(resource) {
  const description = `${effectiveText(resource, "alarmDescription", resource.alarmDescription) ?? ""}`;
  const tags = TagManager.of(resource)?.tagValues() ?? {};
  const tag = tags[RUNBOOK] ?? tags[Object.keys(tags).find((key) => key.toLowerCase() === RUNBOOK)] ?? "";
  const configuration = tag ? identify(effective(resource, "actionConfiguration", resource.actionConfiguration), resource) : undefined;
  const propagates = configuration != null && !/"enabled":"?false/i.test(JSON.stringify(configuration));
  return { description: description.toLowerCase().includes(RUNBOOK) ? description : "", tag, propagates };
}

// actionTexts returns the actions of an alarm for one state as JSON; none if they are an intrinsic function.
function actionTexts(resource, property) {
  const actions = identify(effective(resource, property, resource[property]), resource) ?? [];
  return Array.isArray(actions) ? actions.map((action) => JSON.stringify(action)) : [];
}

// placeID identifies the account and Region of a stack, or the stack if one of them is not known at synth.
function placeID(stack) {
  return Token.isUnresolved(stack.account) || Token.isUnresolved(stack.region) ? stack.node.path : stack.environment;
}

// known returns a text, or an empty one if the text is missing or not known at synth.
function known(text) {
  return text && !Token.isUnresolved(text) ? text : "";
}

// The properties that hold the ARN of a resource.
const ARN_PROPERTIES = ["topicArn", "tableArn", "bucketArn", "queueArn", "eventBusArn", "keyArn", "layerVersionArn", "managedPolicyArn"];

// placeOf returns where a resource is, and whether a stack can refer to it. The ARN of an imported resource takes precedence,
// because CDK regards some imported resources as those of the stack that imports them. The ARNs of buckets and policies have
// empty parts. The fields with an underscore are private: without them, CDK decides whether the stack can refer to the resource.
function placeOf(resource, stack) {
  const arn = ARN_PROPERTIES.map((name) => resource[name]).find((value) => typeof value === "string" && value.startsWith("arn:")) ?? "";
  const [, , , region, account] = arn.split(":");
  if (!Resource.isResource(resource)) {
    return { path: arn, stack: "", account: known(account), region: known(region), referable: true };
  }
  const owner = Stack.of(resource);
  return {
    path: resource.node.path,
    stack: owner.node.path,
    account: known(account || resource.env.account),
    region: known(region || resource.env.region),
    referable:
      !Resource.isOwnedResource(resource) ||
      owner.environment === stack.environment ||
      resource._allowCrossEnvironment !== false || // it has a physical name
      stack._crossRegionReferences !== false,
  };
}

// isAlarm reports whether an aspect has to visit a construct. CDK visits the resource of an alarm construct after the construct.
function isAlarm(construct) {
  return isAlarmResource(construct) || (construct instanceof AlarmBase && !resourceOf(construct));
}

// constructsOf returns the constructs below a scope that its aspects visit, in the same order: not those of Stages.
function constructsOf(scope) {
  return [scope, ...scope.node.children.filter((child) => !Stage.isStage(child)).flatMap(constructsOf)];
}

// AlarmAspect calls a visitor with all alarms of its scope at once, and then with each alarm that was added since by other
// aspects. It attaches the alarms for which the visitor returns true. An aspect in Go would be called for each construct.
class AlarmAspect {
  constructor(visitor, action, recovery) {
    Object.assign(this, { visitor, action, recovery, visited: new Set() });
  }

  visit(node) {
    const constructs = this.visited.size === 0 ? constructsOf(node) : [node];
    const alarms = constructs.filter((construct) => isAlarm(construct) && !this.visited.has(construct));
    constructs.forEach((construct) => this.visited.add(construct));
    if (alarms.length === 0) {
      return;
    }
    const descriptions = alarms.map(describeFound);
    const accepted = this.visitor.visitAlarms(packAll(descriptions));
    descriptions.filter((_, i) => accepted[i]).forEach((alarm) => attach(alarm.construct, this.action, this.recovery));
  }
}

class Alarms {
  static identify(scope, texts) {
    return identify(texts, scope).map((text) => ({ text: jsonOf(text) }));
  }

  // places returns where the stack of a construct is, and where resources are; nothing if the construct is in no stack.
  static places(scope, resources) {
    const stack = scope.node.scopes.findLast((construct) => Stack.isStack(construct));
    if (!stack) {
      return [];
    }
    const here = { path: scope.node.path, stack: stack.node.path, account: known(stack.account), region: known(stack.region), referable: true };
    return [here, ...resources.map((resource) => placeOf(resource, stack))];
  }

  static describe(constructs) {
    return packAll(constructs.map(describe));
  }

  // attachIf saves Go a message for most alarms.
  static attachIf(stack, notBelow, notNamed, constructs, action, recovery) {
    const alarms = constructs.map(describe);
    const done = alarms.every(
      (alarm) =>
        alarm.stack &&
        alarm.stack === stack &&
        !alarm.generic &&
        !`${alarm.path}/`.startsWith(`${notBelow}/`) &&
        !(alarm.alarmName ?? "").startsWith(notNamed) &&
        !alarm.unlisted.includes(ACTIONS.alarmActions) &&
        !(recovery && alarm.unlisted.includes(ACTIONS.okActions)),
    );
    if (done) {
      alarms.forEach((alarm) => attach(alarm.construct, action, recovery));
    }
    return [{ done }, ...alarms.map((alarm, i) => pack(alarm, constructs[i], stack))];
  }

  static attach(constructs, action, recovery) {
    constructs.forEach((construct) => attach(construct, action, recovery));
  }

  static visitAll(scope, visitor, action, recovery) {
    Aspects.of(scope).add(new AlarmAspect(visitor, action, recovery));
  }

  // actions returns the numbers of actions of described alarms as JSON.
  static actions(scope, paths, action) {
    const alarms = describedBelow(scope.node.root);
    const wanted = identified(action, scope);
    const counts = paths.map((path) => {
      const resource = resourceOf(alarms.get(path));
      return {
        alarm: countActions(resource, "alarmActions", wanted),
        ok: countActions(resource, "okActions", wanted),
        disabled: `${identify(effective(resource, "actionsEnabled", resource.actionsEnabled), resource)}`.toLowerCase() === "false",
        runbook: runbookOf(resource),
      };
    });
    return JSON.stringify(counts);
  }

  // properties returns the properties of resources.
  static properties(resources) {
    return resources.map((resource) => ({ text: JSON.stringify(synthesized(resource)) }));
  }

  // ofTypes returns the resources of some types in the app of a construct, with their properties.
  static ofTypes(scope, types) {
    const resources = scope.node.root.node.findAll().filter((construct) => CfnResource.isCfnResource(construct));
    const wanted = resources.filter((resource) => types.includes(resource.cfnResourceType));
    return wanted.map((resource) => ({ path: resource.node.path, type: resource.cfnResourceType, text: JSON.stringify(synthesized(resource)) }));
  }

  // topicPolicies returns the policies of topics in the app of a construct.
  static topicPolicies(scope) {
    const resources = scope.node.root.node.findAll().filter((construct) => CfnResource.isCfnResource(construct));
    return resources.filter((resource) => TOPIC_POLICY_TYPES.includes(resource.cfnResourceType)).map(topicPolicyOf);
  }

  // notifying returns the alarms of the app that notify one of the topics, once for each of these.
  static notifying(scope, topics) {
    const wanted = topics.map((topic) => JSON.stringify(identify(topic, scope)));
    return scope.node.root.node.findAll().filter(isResource).flatMap((resource) => {
      const alarm = actionTexts(resource, "alarmActions");
      const ok = actionTexts(resource, "okActions");
      const owner = resource.node.scope instanceof AlarmBase ? resource.node.scope : resource;
      return wanted
        .map((topic, i) => ({ topic: i, alarm: alarm.includes(topic), ok: ok.includes(topic) }))
        .filter((found) => found.alarm || found.ok)
        .map((found) => ({ ...found, path: owner.node.path, name: `${nameOf(resource) ?? ""}`, place: placeID(Stack.of(resource)) }));
    });
  }

  static inStages(scope) {
    const stages = scope.node.findAll().filter((construct) => construct !== scope && Stage.isStage(construct));
    return stages.flatMap((stage) =>
      packAll(stage.node.findAll().filter(isAlarmResource).map(describeFound)).map((alarm) => ({ ...alarm, stage: stage.node.path })),
    );
  }
}

// jsii finds the type of an object by this symbol.
Object.defineProperty(Alarms, Symbol.for("jsii.rtti"), { value: { fqn: "alarmtriage.Alarms", version: "0.0.0" } });

exports.Alarms = Alarms;
