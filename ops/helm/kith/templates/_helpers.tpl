{{- define "kith.fullname" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "kith.selector" -}}
app.kubernetes.io/name: kith
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "kith.labels" -}}
{{ include "kith.selector" . }}
app.kubernetes.io/part-of: kith
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "kith.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* Consumer group of an indexer, as kith.wiring.group_of names it: root, model. */}}
{{- define "kith.indexerGroup" -}}
{{ .root.Values.settings.topic_prefix | default "" }}kith-indexer-{{ .model }}
{{- end -}}

{{- define "kith.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "kith.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The settings of a process: root, own. Its own win over those of .Values.settings, and these over the chart's. */}}
{{- define "kith.env" -}}
{{- $values := .root.Values -}}
{{- $chart := dict
  "kafka_bootstrap" $values.kafka.bootstrap
  "schema_registry_url" $values.schemaRegistry.url
  "milvus_uri" $values.milvus.uri
  "partitions" $values.topics.partitions
  "replication_factor" $values.topics.replicationFactor
  "model_dir" $values.model.dir
  "log_format" "json" -}}
{{- if $values.models.existingClaim -}}
{{- $_ := set $chart "models_dir" "/models" -}}
{{- end -}}
{{- range $name, $value := merge (dict) .own $values.settings $chart }}
- name: {{ printf "KITH_%s" (upper $name) }}
  value: {{ include "kith.scalar" $value | quote }}
{{- end }}
{{- range $name, $ref := $values.secretSettings }}
- name: {{ printf "KITH_%s" (upper $name) }}
  valueFrom:
    secretKeyRef:
      name: {{ $ref.name }}
      key: {{ $ref.key }}
{{- end }}
{{- end -}}

{{/* YAML reads every number as a float; a large one must not become 1e+06. */}}
{{- define "kith.scalar" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- else -}}
{{ . }}
{{- end -}}
{{- end -}}

{{- define "kith.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.certificates.existingSecret }}
- name: certificates
  mountPath: /etc/kith/certificates
  readOnly: true
{{- end }}
{{- if .Values.models.existingClaim }}
- name: models
  mountPath: /models
  readOnly: true
{{- end }}
{{- end -}}

{{- define "kith.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- if .Values.certificates.existingSecret }}
- name: certificates
  secret:
    secretName: {{ .Values.certificates.existingSecret }}
    defaultMode: 288
{{- end }}
{{- if .Values.models.existingClaim }}
- name: models
  persistentVolumeClaim:
    claimName: {{ .Values.models.existingClaim }}
    readOnly: true
{{- end }}
{{- end -}}

{{/* Health of a process that serves it on the port named health: startup seconds. */}}
{{- define "kith.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: health }
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: {{ div (add . 4) 5 }}
livenessProbe:
  httpGet: { path: /healthz, port: health }
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet: { path: /readyz, port: health }
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 3
{{- end -}}

{{/* Where pods of a component may run: root, component, values, gpu. */}}
{{- define "kith.placement" -}}
{{- $selector := .values.nodeSelector -}}
{{- $tolerations := .values.tolerations -}}
{{- if .gpu -}}
{{- $selector = merge (dict) .root.Values.gpu.nodeSelector $selector -}}
{{- $tolerations = concat $tolerations .root.Values.gpu.tolerations -}}
{{- end -}}
{{- with $selector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "kith.selector" . | nindent 8 }}
{{- end -}}
