import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Validations, aws_lambda as lambda, aws_s3_assets as assets, cloudformation_include as include } from 'aws-cdk-lib';
import type { aws_cloudwatch as cloudwatch, aws_sns as sns } from 'aws-cdk-lib';
import { Construct } from 'constructs';

export interface AlarmTriageProps {
  /** The folder with the template and the three zip files of one release. */
  readonly release: string;
  /** The topic that receives the reports. */
  readonly notificationTopic: sns.ITopic;
  /** More parameters of the template. */
  readonly parameters?: { readonly [name: string]: string };
}

/** Investigates alarms with the template of an alarmtriage release. */
export class AlarmTriage extends Construct {
  private readonly orchestrator: lambda.CfnFunction;
  private readonly notifiesRecovery: boolean;

  constructor(scope: Construct, id: string, props: AlarmTriageProps) {
    super(scope, id);
    this.notifiesRecovery = props.parameters?.NotifyRecovery === 'true';
    const file = (suffix: string): string => {
      const found = readdirSync(props.release).filter((name) => name.startsWith('alarmtriage-') && name.endsWith(suffix));
      if (found.length !== 1) {
        throw new Error(`${props.release} must contain the files of one release, and has ${found.length} files alarmtriage-…${suffix}`);
      }
      return join(props.release, found[0]);
    };
    // CDK uploads the zip files to the bucket of the bootstrapped account.
    const upload = (name: string) => new assets.Asset(this, name, { path: file(`-${name}.zip`) });
    const [orchestrator, tool, layer] = ['orchestrator', 'tool', 'layer'].map(upload);

    const template = new include.CfnInclude(this, 'Template', {
      templateFile: file('-template.json'),
      parameters: {
        ...props.parameters, NotificationTopicArn: props.notificationTopic.topicArn, CodeBucket: orchestrator.s3BucketName, CodePrefix: '',
      },
    });
    for (const rule of ['W1030', 'W1032']) { // CDK's validation ignores the conditions of the template
      Validations.of(template).acknowledge({ id: `CloudFormation-Validate::${rule}`, reason: 'Conditions omit what depends on an empty parameter' });
    }
    const codeOf = (asset: assets.Asset) => ({ s3Bucket: asset.s3BucketName, s3Key: asset.s3ObjectKey });
    this.orchestrator = template.getResource('TriageOrchestratorAAEB3CE1') as lambda.CfnFunction;
    this.orchestrator.code = codeOf(orchestrator);
    (template.getResource('TriageTool627A4E39') as lambda.CfnFunction).code = codeOf(tool);
    (template.getResource('TriageHarness3DE8E827') as lambda.CfnLayerVersion).content = codeOf(layer);
  }

  /** Lets alarms start an investigation, and with NotifyRecovery report that they are OK again. The template permits all alarms. */
  attachAlarms(...alarms: cloudwatch.AlarmBase[]): void {
    const action = { bind: () => ({ alarmActionArn: this.orchestrator.attrArn }) };
    for (const alarm of alarms) {
      alarm.addAlarmAction(action);
      if (this.notifiesRecovery) {
        alarm.addOkAction(action);
      }
    }
  }
}
