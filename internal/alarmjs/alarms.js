"use strict";
// This module runs in the Node process of CDK. It reads and attaches alarms there, because a call from Go takes longer
// than everything that the call does.

const { Aspects, CfnResource, Stack, Stage, TreeInspector } = require("aws-cdk-lib");
const { AlarmBase } = require("aws-cdk-lib/aws-cloudwatch");

const RESOURCE_TYPES = ["AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::LogAlarm"];

// A resource without properties of its own, `new CfnResource(…)`, is not supported.
function isResource(construct) {
  return CfnResource.isCfnResource(construct) && RESOURCE_TYPES.includes(construct.cfnResourceType) && "alarmActions" in construct;
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

// describe returns what the Go type Alarm contains. If the construct is the resource of an alarm construct, the result
// describes the latter, whose actions are a token that can't be changed.
function describe(construct) {
  const resource = resourceOf(construct);
  if (resource === construct && construct.node.scope instanceof AlarmBase) {
    construct = construct.node.scope;
  }
  const alarm = { construct, path: construct.node.path };
  if (!resource) {
    return alarm;
  }
  const stack = Stack.of(construct);
  const { alarmName, alarmRule, namespace, dimensions, metrics } = propertiesOf(resource);
  return Object.assign(alarm, { stack, alarmName, alarmRule, namespace, dimensions, metrics: metrics && stack.resolve(metrics) });
}

// actionsOf returns the resolved actions of an alarm for one state.
function actionsOf(resource, property) {
  return Stack.of(resource).resolve(resource[property]) ?? [];
}

// countOf returns how many of the actions are the given one.
function countOf(actions, action, stack) {
  const wanted = JSON.stringify(stack.resolve(action));
  return actions.filter((a) => JSON.stringify(a) === wanted).length;
}

// attach adds an action to an alarm, for ALARM and, if recovery is true, for OK. It does not add an action twice, because
// CloudFormation rejects duplicates.
function attach(construct, action, recovery) {
  const resource = resourceOf(construct);
  const add = (property, method) => {
    const given = actionsOf(resource, property);
    if (countOf(given, action, Stack.of(resource)) > 0) {
      return;
    }
    if (resource === construct) {
      resource[property] = given.length > 0 ? [...resource[property], action] : [action];
    } else {
      construct[method]({ bind: () => ({ alarmActionArn: action }) });
    }
  };
  add("alarmActions", "addAlarmAction");
  if (recovery) {
    add("okActions", "addOkAction");
  }
}

// AlarmAspect calls a visitor for each alarm, and attaches the alarms for which the visitor returns true. An aspect in
// Go would be called for each construct of the app.
class AlarmAspect {
  constructor(visitor, action, recovery) {
    Object.assign(this, { visitor, action, recovery });
  }

  visit(node) {
    if (!isResource(node) && !(node instanceof AlarmBase && !resourceOf(node))) {
      return; // CDK visits the resource of an alarm construct after the construct
    }
    const alarm = describe(node);
    if (this.visitor.visitAlarm(alarm)) {
      attach(alarm.construct, this.action, this.recovery);
    }
  }
}

class Alarms {
  static describe(constructs) {
    return constructs.map(describe);
  }

  static attach(constructs, action, recovery) {
    constructs.forEach((construct) => attach(construct, action, recovery));
  }

  static visitAll(scope, visitor, action, recovery) {
    Aspects.of(scope).add(new AlarmAspect(visitor, action, recovery));
  }

  static actions(constructs, action) {
    return constructs.map((construct) => {
      const resource = resourceOf(construct);
      const count = (property) => {
        const actions = actionsOf(resource, property);
        return { all: actions.length, own: countOf(actions, action, Stack.of(resource)) };
      };
      return { alarm: count("alarmActions"), ok: count("okActions"), disabled: resource.actionsEnabled === false };
    });
  }

  static inStages(scope) {
    const stages = scope.node.findAll().filter((construct) => construct !== scope && Stage.isStage(construct));
    return stages.map((stage) => ({
      path: stage.node.path,
      names: stage.node.findAll().filter(isResource).map((resource) => `${propertiesOf(resource).alarmName ?? ""}`),
    }));
  }
}

// jsii finds the type of an object by this symbol.
Object.defineProperty(Alarms, Symbol.for("jsii.rtti"), { value: { fqn: "alarmtriage.Alarms", version: "0.0.0" } });

exports.Alarms = Alarms;
