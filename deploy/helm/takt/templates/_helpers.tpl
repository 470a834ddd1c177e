{{- define "takt.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "takt.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "takt.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "takt.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "takt.selectorLabels" -}}
app.kubernetes.io/name: {{ include "takt.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "takt.labels" -}}
{{ include "takt.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{- define "takt.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "takt.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "takt.image" -}}
{{- $tag := default (printf "%s-%s" .Chart.AppVersion (ternary "gpu" "cpu" .Values.gpu.enabled)) .Values.image.tag -}}
{{- .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The production line that the series of this release belong to. */}}
{{- define "takt.line" -}}
{{- default .Release.Name .Values.metrics.line }}
{{- end }}

{{/* A setting as the environment takes it: whole numbers without exponents, lists with commas. */}}
{{- define "takt.setting" -}}
{{- if kindIs "slice" . -}}
{{- $parts := list -}}
{{- range . }}{{ $parts = append $parts (include "takt.setting" .) }}{{ end -}}
{{- join "," $parts }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . }}
{{- else -}}
{{- toString . }}
{{- end }}
{{- end }}

{{/* Names by which the service is asked in the cluster, that of the Ingress, and those of the settings. */}}
{{- define "takt.allowedHosts" -}}
{{- $name := include "takt.fullname" . -}}
{{- $inside := printf "%s.%s" $name .Release.Namespace -}}
{{- $names := list $name $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside) -}}
{{- if .Values.ingress.enabled }}{{ $names = append $names .Values.ingress.host }}{{ end -}}
{{- with .Values.settings.allowed_hosts }}{{ $names = append $names (include "takt.setting" .) }}{{ end -}}
{{- join "," $names }}
{{- end }}

{{/* A quantity of memory, such as 2Gi, in bytes. */}}
{{- define "takt.bytes" -}}
{{- $text := include "takt.setting" . -}}
{{- $unit := regexReplaceAll "^[0-9.]+" $text "" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if not (hasKey $units $unit) }}{{ fail (printf "a limit of memory is %s: write it as 2Gi, 2048Mi or in bytes" $text) }}{{ end -}}
{{- mulf (trimSuffix $unit $text | float64) (get $units $unit | float64) | int64 }}
{{- end }}

{{/* Seconds from SIGTERM's announcement to SIGKILL: endpoints forget the pod, then the server drains. */}}
{{- define "takt.gracePeriod" -}}
{{- $drain := 30.0 -}}
{{- if not (kindIs "invalid" .Values.settings.drain_timeout_s) }}{{ $drain = .Values.settings.drain_timeout_s }}{{ end -}}
{{- add (ceil $drain | int64) (int64 .Values.shutdown.preStopSeconds) (int64 .Values.shutdown.marginSeconds) }}
{{- end }}

{{/* Whether a volume holds the record, or the pictures of one in PostgreSQL; else nothing. */}}
{{- define "takt.keepsFiles" -}}
{{- if or (eq .Values.record.store "sqlite") (and (eq .Values.record.store "postgresql") (ne (include "takt.setting" (default "" .Values.settings.keep)) "none")) }}yes{{ end }}
{{- end }}

{{- define "takt.recordClaimName" -}}
{{- default (printf "%s-record" (include "takt.fullname" . | trunc 56 | trimSuffix "-")) .Values.record.existingClaim }}
{{- end }}

{{/* Whether the chart makes a claim for the record that one node can have at a time; else nothing. */}}
{{- define "takt.recordIsOfOne" -}}
{{- if and (include "takt.keepsFiles" .) (not .Values.record.existingClaim) (not (has "ReadWriteMany" .Values.record.claim.accessModes)) }}yes{{ end }}
{{- end }}

{{/* A claim of one must be let go before the next pod can have it. */}}
{{- define "takt.strategy" -}}
{{- if .Values.strategy -}}
{{ toYaml .Values.strategy }}
{{- else if or (eq .Values.record.store "sqlite") (include "takt.recordIsOfOne" .) -}}
type: Recreate
{{- else -}}
type: RollingUpdate
rollingUpdate:
  maxUnavailable: 0
  maxSurge: 1
{{- end }}
{{- end }}

{{/* Whether there may be several pods that serve; else nothing. */}}
{{- define "takt.several" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}yes{{ end }}
{{- end }}

{{/* Whether there is one pod at a time, so that no other one could answer instead; else nothing. */}}
{{- define "takt.alone" -}}
{{- if and (not (include "takt.several" .)) (eq (include "takt.strategy" . | fromYaml).type "Recreate") }}yes{{ end }}
{{- end }}

{{/*
The service by which the Ingress reaches the console. It has to reach a pod without a model, where the first one is
learned. Of several pods a session is in one, which has to be found by one way for everything.
*/}}
{{- define "takt.consoleService" -}}
{{- if or (include "takt.several" .) (include "takt.alone" .) -}}
{{- include "takt.fullname" . }}
{{- else -}}
{{- include "takt.fullname" . | trunc 55 | trimSuffix "-" }}-console
{{- end }}
{{- end }}
