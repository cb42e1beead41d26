import type * as admission from "kubernetes-types/admissionregistration/v1";
import type * as apiextensions from "kubernetes-types/apiextensions/v1";
import type * as apps from "kubernetes-types/apps/v1";
import type * as authentication from "kubernetes-types/authentication/v1";
import type * as authorization from "kubernetes-types/authorization/v1";
import type * as batch from "kubernetes-types/batch/v1";
import type * as coordination from "kubernetes-types/coordination/v1";
import type * as core from "kubernetes-types/core/v1";
import type * as discovery from "kubernetes-types/discovery/v1";
import type * as policy from "kubernetes-types/policy/v1";
import type * as rbac from "kubernetes-types/rbac/v1";
import type { Served } from "./object.ts";

export type Pod = Served<core.Pod>;
export type PodSpec = core.PodSpec;
export type PodTemplateSpec = core.PodTemplateSpec;
export type Container = core.Container;
export type ContainerPort = core.ContainerPort;
export type EnvVar = core.EnvVar;
export type Volume = core.Volume;
export type VolumeMount = core.VolumeMount;
export type Probe = core.Probe;
export type Service = Served<core.Service>;
export type ServicePort = core.ServicePort;
export type Endpoints = Served<core.Endpoints>;
export type Node = Served<core.Node>;
export type Namespace = Served<core.Namespace>;
export type Secret = Served<core.Secret>;
export type ConfigMap = Served<core.ConfigMap>;
export type ServiceAccount = Served<core.ServiceAccount>;
export type Event = Served<core.Event>;
export type ReplicationController = Served<core.ReplicationController>;

export type Deployment = Served<apps.Deployment>;
export type ReplicaSet = Served<apps.ReplicaSet>;
export type StatefulSet = Served<apps.StatefulSet>;
export type DaemonSet = Served<apps.DaemonSet>;
export type Job = Served<batch.Job>;
export type CronJob = Served<batch.CronJob>;

export type EndpointSlice = Served<discovery.EndpointSlice>;
export type Endpoint = discovery.Endpoint;
export type EndpointPort = discovery.EndpointPort;
export type Lease = Served<coordination.Lease>;
export type PodDisruptionBudget = Served<policy.PodDisruptionBudget>;

export type Role = Served<rbac.Role>;
export type RoleBinding = Served<rbac.RoleBinding>;
export type ClusterRole = Served<rbac.ClusterRole>;
export type ClusterRoleBinding = Served<rbac.ClusterRoleBinding>;

export type TokenReview = Served<authentication.TokenReview>;
export type SubjectAccessReview = Served<authorization.SubjectAccessReview>;
export type SelfSubjectAccessReview = Served<authorization.SelfSubjectAccessReview>;

export type CustomResourceDefinition = Served<apiextensions.CustomResourceDefinition>;
export type MutatingWebhookConfiguration = Served<admission.MutatingWebhookConfiguration>;
export type ValidatingWebhookConfiguration = Served<admission.ValidatingWebhookConfiguration>;
