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

{{- define "takt.claimName" -}}
{{- if eq .Values.models.source "claim" -}}
{{- printf "%s-models" (include "takt.fullname" . | trunc 56 | trimSuffix "-") }}
{{- else -}}
{{- required "models.existingClaim names the claim with the models" .Values.models.existingClaim }}
{{- end }}
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

{{/* Names by which the service is asked in the cluster, and those of the settings. */}}
{{- define "takt.allowedHosts" -}}
{{- $name := include "takt.fullname" . -}}
{{- $inside := printf "%s.%s" $name .Release.Namespace -}}
{{- $names := list $name $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside) -}}
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

{{/* A server that other machines reach must know its callers, or be told that it need not. */}}
{{- define "takt.checkCallers" -}}
{{- if not (or .Values.keys.secret .Values.settings.oidc_issuer .Values.insecure) -}}
{{- fail "keys.secret names no Secret: make one of a file of `takt keys add` by `kubectl create secret generic NAME --from-file=keys.toml`, or say insecure=true, and whoever reaches the service may do everything" }}
{{- end }}
{{- if and .Values.tls.clientAuthorities (not .Values.tls.secret) -}}
{{- fail "tls.clientAuthorities is set without tls.secret: set both" }}
{{- end }}
{{- end }}

{{/* Seconds from SIGTERM's announcement to SIGKILL: endpoints forget the pod, then the server drains. */}}
{{- define "takt.gracePeriod" -}}
{{- $drain := 30.0 -}}
{{- if not (kindIs "invalid" .Values.settings.drain_timeout_s) }}{{ $drain = .Values.settings.drain_timeout_s }}{{ end -}}
{{- add (ceil $drain | int64) (int64 .Values.shutdown.preStopSeconds) (int64 .Values.shutdown.marginSeconds) }}
{{- end }}

{{/* Whether only one node, or one pod, can have the claim of the models at a time; else nothing. */}}
{{- define "takt.claimIsOfOne" -}}
{{- if and (eq .Values.models.source "claim") (not (contains "Many" (join "," .Values.models.claim.accessModes))) }}yes{{ end }}
{{- end }}

{{/* Whether a volume holds the record, or the pictures of one in PostgreSQL; else nothing. */}}
{{- define "takt.keepsFiles" -}}
{{- if or (eq .Values.record.store "sqlite") (and (eq .Values.record.store "postgresql") (ne (default "" .Values.settings.keep) "none")) }}yes{{ end }}
{{- end }}

{{- define "takt.recordClaimName" -}}
{{- default (printf "%s-record" (include "takt.fullname" . | trunc 56 | trimSuffix "-")) .Values.record.existingClaim }}
{{- end }}

{{/* Whether the chart makes a claim for the record that one node can have at a time; else nothing. */}}
{{- define "takt.recordIsOfOne" -}}
{{- if and (include "takt.keepsFiles" .) (not .Values.record.existingClaim) (not (has "ReadWriteMany" .Values.record.claim.accessModes)) }}yes{{ end }}
{{- end }}

{{/* What would damage a record, lose it or keep the server from it. */}}
{{- define "takt.checkRecord" -}}
{{- $record := .Values.record -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) -}}
{{- if eq $record.store "sqlite" -}}
{{- if $several -}}
{{- fail "record.store=sqlite is a file of one pod, and there may be several: set replicas to 1 and autoscaling.enabled to false, or record.store to postgresql" }}
{{- end -}}
{{- if and .Values.strategy (ne (default "" .Values.strategy.type) "Recreate") -}}
{{- fail "record.store=sqlite is a file of one pod, and this strategy starts the next pod before the last one has ended: leave strategy out, or set record.store to postgresql" }}
{{- end -}}
{{- end -}}
{{- if eq $record.store "postgresql" -}}
{{- if not $record.postgresql.secret -}}
{{- fail "record.postgresql.secret names no Secret: make one by `kubectl create secret generic NAME --from-literal=url=postgresql://USER:PASSWORD@HOST/DATABASE`" }}
{{- end -}}
{{- if and $several (include "takt.recordIsOfOne" .) -}}
{{- fail "several pods keep pictures, and one node at a time can have the claim for them: set record.claim.accessModes to [ReadWriteMany], name a shared claim with record.existingClaim, or set settings.keep to none" }}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{- fail "networkPolicy.egress lets the server reach nobody, and its record is in PostgreSQL: name the database's port and that of the cluster's DNS there" }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A claim of one must be let go before the next pod can have it. */}}
{{- define "takt.strategy" -}}
{{- if .Values.strategy -}}
{{ toYaml .Values.strategy }}
{{- else if or (eq .Values.record.store "sqlite") (include "takt.claimIsOfOne" .) (include "takt.recordIsOfOne" .) -}}
type: Recreate
{{- else -}}
type: RollingUpdate
rollingUpdate:
  maxUnavailable: 0
  maxSurge: 1
{{- end }}
{{- end }}
