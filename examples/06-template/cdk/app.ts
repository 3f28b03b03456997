import { join } from 'node:path';
import { App, Stack, aws_cloudwatch as cloudwatch, aws_sns as sns } from 'aws-cdk-lib';
import { AlarmTriage } from './alarm-triage.ts';

const app = new App();
const stack = new Stack(app, 'TypeScriptTriage');
const topic = new sns.Topic(stack, 'OnCall');

const triage = new AlarmTriage(stack, 'Triage', {
  release: join(import.meta.dirname, '..', 'release'),
  notificationTopic: topic,
  parameters: { MaxInvestigationsPerDay: '50' },
});
triage.attachAlarms(new cloudwatch.Alarm(stack, 'CheckoutErrors', {
  metric: new cloudwatch.Metric({ namespace: 'AWS/Lambda', metricName: 'Errors', dimensionsMap: { FunctionName: 'checkout' }, statistic: 'Sum' }),
  threshold: 1,
  evaluationPeriods: 1,
}));
