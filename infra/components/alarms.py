"""Watching from outside the host: log groups, budget, alarms and their topic, schedule, dashboard.

Decides when an operator is told and when the clock stops the host. The idle guard and the spot notice run inside
the host (cloud-init/watch).
"""

from __future__ import annotations

import json
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.plan import inventory as found
from infra.plan.config import OffHours, StackConfig
from infra.plan.inventory import Inventory

IDLE_CPU_PERCENT: Final = 3.0
PERIOD_SECONDS: Final = 300


class Logs(pulumi.ComponentResource):
    """Encrypted log groups that outlive a pause. Attribute `arns` by role (host, service, flow)."""

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        inventory: Inventory,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:watch:Logs", name, None, opts)
        self.arns: dict[str, pulumi.Output[str]] = {}
        self.names: dict[str, str] = {}
        keep = config.data_retention == "keep"
        for role in found.LOG_GROUPS:
            group_name = found.log_group_name(config, role)
            group = aws.cloudwatch.LogGroup(
                f"{name}-{role}",
                name=group_name,
                retention_in_days=config.log_retention_days,
                kms_key_id=key_arn,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    retain_on_delete=keep,
                    import_=group_name if role in inventory.log_groups else None,
                ),
            )
            self.arns[role] = group.arn
            self.names[role] = group_name
        self.register_outputs({"names": self.names})


class Watch(pulumi.ComponentResource):
    """Budget, topic, alarms, off-hours schedule and dashboard of one host."""

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        inventory: Inventory,
        instance_id: pulumi.Output[str],
        volume_id: pulumi.Output[str],
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:watch:Watch", name, None, opts)
        self._name = name
        self._config = config
        self._account_id = inventory.account_id
        self._child = pulumi.ResourceOptions(parent=self)
        self._make_budget(inventory)
        self.topic_arn = self._make_topic(inventory, key_arn)
        self._make_alarms(instance_id)
        self._make_dashboard(instance_id, volume_id)
        if config.off_hours is not None:
            self._make_schedule(config.off_hours, instance_id, key_arn)
        self.register_outputs({"topicArn": self.topic_arn})

    def _make_budget(self, inventory: Inventory) -> None:
        """Counts the paused stack as well, so it is kept with the data."""
        budget_name = found.budget_name(self._config)
        addresses = list(self._config.alert_emails)
        thresholds: tuple[tuple[str, int], ...] = (
            ("ACTUAL", 50),
            ("ACTUAL", 80),
            ("ACTUAL", 100),
            ("FORECASTED", 100),
        )
        aws.budgets.Budget(
            f"{self._name}-budget",
            name=budget_name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(self._config.monthly_budget_usd),
            limit_unit="USD",
            cost_filters=[
                {"name": "TagKeyValue", "values": [f"user:Stack${self._config.stack}"]},
            ],
            notifications=[
                {
                    "comparison_operator": "GREATER_THAN",
                    "notification_type": kind,
                    "threshold": threshold,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_email_addresses": addresses,
                }
                for kind, threshold in thresholds
            ],
            opts=self._kept(f"{self._account_id}:{budget_name}" if inventory.budget_exists else None),
        )

    def _make_topic(self, inventory: Inventory, key_arn: pulumi.Input[str]) -> pulumi.Output[str]:
        """Outlives a pause: people would have to confirm a new subscription before the next alarm reaches them."""
        confirmed = inventory.subscriptions or {}
        existing = (
            None if inventory.subscriptions is None else found.topic_arn(self._config, self._account_id)
        )
        topic = aws.sns.Topic(
            f"{self._name}-alarms",
            name=found.topic_name(self._config),
            kms_master_key_id=key_arn,
            opts=self._kept(existing),
        )
        aws.sns.TopicPolicy(
            f"{self._name}-alarms-policy",
            arn=topic.arn,
            policy=topic.arn.apply(
                lambda arn: json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                                "Action": "sns:Publish",
                                "Resource": arn,
                                "Condition": {"StringEquals": {"aws:SourceAccount": self._account_id}},
                            }
                        ],
                    }
                )
            ),
            opts=self._kept(existing),
        )
        for address in dict.fromkeys(self._config.alert_emails):
            aws.sns.TopicSubscription(
                f"{self._name}-mail-{address}",
                topic=topic.arn,
                protocol="email",
                endpoint=address,
                opts=self._kept(confirmed.get(address)),
            )
        for address in sorted(confirmed.keys() - set(self._config.alert_emails)):
            cure = f"aws sns unsubscribe --subscription-arn {confirmed[address]}"
            pulumi.log.warn(f"{address} is not in alertEmails any more and still gets the alarms: {cure}")
        return topic.arn

    def _kept(self, import_id: str | None) -> pulumi.ResourceOptions:
        keep = self._config.data_retention == "keep"
        return pulumi.ResourceOptions(parent=self, retain_on_delete=keep, import_=import_id)

    def _make_alarms(self, instance_id: pulumi.Output[str]) -> None:
        # Mail only: EC2 recovers neither g5 nor g6e, which have an instance store (AutoRecoverySupported is false
        # in describe-instance-types), and an alarm with that action is refused.
        for label, metric, periods, text in (
            ("hardware", "StatusCheckFailed_System", 2, "AWS hardware failed: stop and start the host"),
            ("system", "StatusCheckFailed_Instance", 3, "The host's system does not answer"),
            ("disk", "StatusCheckFailed_AttachedEBS", 2, "A volume of the host does not answer"),
        ):
            self._alarm(label, metric, "Maximum", 0.0, "GreaterThanThreshold", periods, text, instance_id)
        quiet_periods = max(12, 2 * self._config.idle_minutes * 60 // PERIOD_SECONDS)
        self._alarm(
            "idle",
            "CPUUtilization",
            "Average",
            IDLE_CPU_PERCENT,
            "LessThanThreshold",
            min(quiet_periods, 86_400 // PERIOD_SECONDS),
            "The host runs and does nothing: is its idle guard off?",
            instance_id,
        )

    def _alarm(
        self,
        label: str,
        metric: str,
        statistic: str,
        threshold: float,
        comparison: str,
        periods: int,
        text: str,
        instance_id: pulumi.Output[str],
    ) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-{label}",
            alarm_description=f"{text} (stack {self._config.stack}, docs/troubleshooting-aws.md#alarms)",
            namespace="AWS/EC2",
            metric_name=metric,
            statistic=statistic,
            period=PERIOD_SECONDS,
            evaluation_periods=periods,
            threshold=threshold,
            comparison_operator=comparison,
            treat_missing_data="notBreaching",  # a stopped host sends nothing, and that is no fault
            dimensions={"InstanceId": instance_id},
            alarm_actions=[self.topic_arn],
            opts=self._child,
        )

    def _make_schedule(
        self, hours: OffHours, instance_id: pulumi.Output[str], key_arn: pulumi.Input[str]
    ) -> None:
        role = self._schedule_role(instance_id, key_arn)
        group = aws.scheduler.ScheduleGroup(f"{self._name}-hours", opts=self._child)
        for verb, at in (("stop", hours.stop), ("start", hours.start)):
            if at is None:
                continue
            aws.scheduler.Schedule(
                f"{self._name}-{verb}",
                group_name=group.name,
                description=f"{verb} the host outside working hours",
                schedule_expression=f"cron({at.minute} {at.hour} ? * {hours.days} *)",
                schedule_expression_timezone=hours.timezone,
                flexible_time_window={"mode": "OFF"},
                target={
                    "arn": f"arn:aws:scheduler:::aws-sdk:ec2:{verb}Instances",
                    "role_arn": role.arn,
                    "input": instance_id.apply(lambda one: json.dumps({"InstanceIds": [one]})),
                    "retry_policy": {"maximum_retry_attempts": 3, "maximum_event_age_in_seconds": 1800},
                },
                opts=self._child,
            )

    def _schedule_role(self, instance_id: pulumi.Output[str], key_arn: pulumi.Input[str]) -> aws.iam.Role:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "scheduler.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": self._account_id}},
                }
            ],
        }
        role = aws.iam.Role(
            f"{self._name}-hours-role",
            assume_role_policy=json.dumps(trust),
            force_detach_policies=True,  # why: infra/components/iam.py
            opts=self._child,
        )
        prefix = f"arn:aws:ec2:{self._config.region}:{self._account_id}:instance/"
        aws.iam.RolePolicy(
            f"{self._name}-hours-policy",
            role=role.id,
            policy=pulumi.Output.all(instance_id, key_arn).apply(
                lambda known: json.dumps(
                    schedule_rights(self._config.region, f"{prefix}{known[0]}", known[1])
                )
            ),
            opts=self._child,
        )
        return role

    def _make_dashboard(self, instance_id: pulumi.Output[str], volume_id: pulumi.Output[str]) -> None:
        aws.cloudwatch.Dashboard(
            f"{self._name}-dashboard",
            dashboard_name=self._name,
            dashboard_body=pulumi.Output.all(instance_id, volume_id).apply(
                lambda ids: json.dumps(dashboard(self._config, ids[0], ids[1]))
            ),
            opts=self._child,
        )


def schedule_rights(region: str, instance_arn: str, key_arn: str) -> dict[str, Any]:
    """Stop and start one host, and have EC2 open its encrypted disks.

    Without the key a start ends in `Client.InternalError`: EC2 opens the disks in the caller's name
    (repost.aws/knowledge-center/kms-iam-ec2-permission).
    """
    through_ec2 = {"StringEquals": {"kms:ViaService": f"ec2.{region}.amazonaws.com"}}
    use = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "StopAndStart",
                "Effect": "Allow",
                "Action": ["ec2:StopInstances", "ec2:StartInstances"],
                "Resource": [instance_arn],
            },
            {
                "Sid": "OpenDisks",
                "Effect": "Allow",
                "Action": use,
                "Resource": [key_arn],
                "Condition": through_ec2,
            },
            {
                "Sid": "LendKeyToEc2",
                "Effect": "Allow",
                "Action": ["kms:CreateGrant"],
                "Resource": [key_arn],
                "Condition": {**through_ec2, "Bool": {"kms:GrantIsForAWSResource": "true"}},
            },
        ],
    }


def dashboard(config: StackConfig, instance_id: str, volume_id: str) -> dict[str, Any]:
    """Body of the dashboard: CPU, network, data volume, and the host's last log lines."""
    host, volume = ["InstanceId", instance_id], ["VolumeId", volume_id]
    graphs: list[tuple[str, list[list[str]]]] = [
        ("CPU, percent", [["AWS/EC2", "CPUUtilization", *host]]),
        ("Network, bytes", [["AWS/EC2", f"Network{way}", *host] for way in ("In", "Out")]),
        ("Data volume, bytes", [["AWS/EBS", f"Volume{way}Bytes", *volume] for way in ("Read", "Write")]),
        ("Status checks", [["AWS/EC2", "StatusCheckFailed", *host]]),
    ]
    widgets: list[dict[str, Any]] = [
        {
            "type": "metric",
            "width": 12,
            "height": 6,
            "x": 12 * (number % 2),
            "y": 6 * (number // 2),
            "properties": {"title": title, "region": config.region, "metrics": metrics, "period": 300},
        }
        for number, (title, metrics) in enumerate(graphs)
    ]
    source = f"SOURCE '{found.log_group_name(config, 'host')}'"
    query = f"{source} | fields @timestamp, @message | sort @timestamp desc"
    widgets.append(
        {
            "type": "log",
            "width": 24,
            "height": 6,
            "x": 0,
            "y": 12,
            "properties": {"title": "Host log", "region": config.region, "query": f"{query} | limit 50"},
        }
    )
    return {"widgets": widgets}
