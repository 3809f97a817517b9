{{/* Names and labels. */}}

{{- define "pagerduty-subscriber.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 52 characters: a Deployment puts 11 behind it for its pods' host names of 63. */}}
{{- define "pagerduty-subscriber.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pagerduty-subscriber.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pagerduty-subscriber.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of this release, those of the test included. */}}
{{- define "pagerduty-subscriber.releaseLabels" -}}
app.kubernetes.io/name: {{ include "pagerduty-subscriber.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What selects the replicas of the service. */}}
{{- define "pagerduty-subscriber.selectorLabels" -}}
{{ include "pagerduty-subscriber.releaseLabels" . }}
app.kubernetes.io/component: subscriber
{{- end -}}

{{/* The metadata that all resources share; call with (dict "root" $ "component" "..."
     "labels" {...} "annotations" {...}). Own labels never displace those that selectors need. */}}
{{- define "pagerduty-subscriber.labels" -}}
{{- $root := .root -}}
{{- $own := dict
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_"))
      "app.kubernetes.io/name" (include "pagerduty-subscriber.name" $root)
      "app.kubernetes.io/instance" $root.Release.Name
      "app.kubernetes.io/component" (default "subscriber" .component)
      "app.kubernetes.io/version" (include "pagerduty-subscriber.version" $root)
      "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- toYaml (mergeOverwrite (dict) $root.Values.commonLabels (default (dict) .labels) $own) -}}
{{- end -}}

{{/* Labels of pods. Without the chart's version: a new chart alone is no reason to replace pods. */}}
{{- define "pagerduty-subscriber.podLabels" -}}
{{- $own := omit (include "pagerduty-subscriber.labels" . | fromYaml) "helm.sh/chart" "app.kubernetes.io/managed-by" -}}
{{- toYaml (mergeOverwrite (dict) .root.Values.podLabels $own) -}}
{{- end -}}

{{/* The version as a label value; a tag may hold characters that a label may not. */}}
{{- define "pagerduty-subscriber.version" -}}
{{- default .Chart.AppVersion .Values.image.tag | replace "+" "_" | trunc 63 | trimSuffix "-" | trimSuffix "." | trimSuffix "_" -}}
{{- end -}}

{{- define "pagerduty-subscriber.annotations" -}}
{{- with mergeOverwrite (dict) .root.Values.commonAnnotations (default (dict) .annotations) -}}
annotations:
{{ toYaml . | indent 2 }}
{{- end -}}
{{- end -}}

{{- define "pagerduty-subscriber.metadata" -}}
name: {{ default (include "pagerduty-subscriber.fullname" .root) .name }}
namespace: {{ default .root.Release.Namespace .namespace }}
labels:
{{ include "pagerduty-subscriber.labels" . | indent 2 }}
{{- with include "pagerduty-subscriber.annotations" . }}
{{ . }}
{{- end }}
{{- end -}}

{{- define "pagerduty-subscriber.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A service's name as a part of file and resource names: as it is where that is allowed, else
     what is left of it with a hash, so that no two services share one. */}}
{{- define "pagerduty-subscriber.slug" -}}
{{- $slug := regexReplaceAll "[^a-z0-9-]+" (lower .) "-" | trunc 40 | trimAll "-" -}}
{{- if eq $slug . -}}
{{- $slug -}}
{{- else -}}
{{- printf "%s-%s" $slug (sha256sum . | trunc 8) | trimPrefix "-" -}}
{{- end -}}
{{- end -}}
