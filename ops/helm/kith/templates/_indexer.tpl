{{/* The indexers of one release: root, component, model, dir, replicas. */}}
{{- define "kith.indexer" -}}
{{- $root := .root -}}
{{- $values := .root.Values.indexer -}}
{{- $gpu := .root.Values.gpu -}}
{{- $own := dict "state_dir" "/var/lib/kith" "model_dir" .dir "health_host" "0.0.0.0" "health_port" 9464 -}}
{{- if $gpu.enabled -}}
{{- $_ := set $own "provider" "cuda" -}}
{{- end -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "kith.fullname" $root }}-{{ .component }}
  labels:
    {{- include "kith.labels" . | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "kith.selector" . | nindent 4 }}
  ports:
    - { name: health, port: 9464, targetPort: health }
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ include "kith.fullname" $root }}-{{ .component }}
  labels:
    {{- include "kith.labels" . | nindent 4 }}
spec:
  serviceName: {{ include "kith.fullname" $root }}-{{ .component }}
  {{- if not $root.Values.keda.enabled }}
  replicas: {{ .replicas }}
  {{- end }}
  # They share one consumer group and know nothing of each other: no order is needed.
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "kith.selector" . | nindent 6 }}
  {{- if $values.persistence.enabled }}
  # A volume holds a copy of what the topic has, and people are in it: one that nobody uses has to go.
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: Delete
    whenScaled: Delete
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "kith.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ include "kith.fullname" $root }}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "kith.podSecurity" $root | nindent 8 }}
      {{- include "kith.placement" (dict "root" $root "component" .component "values" $values "gpu" $gpu.enabled) | trim | nindent 6 }}
      containers:
        - name: indexer
          image: {{ include "kith.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [index]
          env:
            {{- include "kith.env" (dict "root" $root "own" $own) | trim | nindent 12 }}
          ports:
            - { name: health, containerPort: 9464 }
          {{- include "kith.probes" $values.startupSeconds | nindent 10 }}
          resources:
            {{- if $gpu.enabled }}
            {{- toYaml (mergeOverwrite (deepCopy $values.resources) (dict "limits" (dict "nvidia.com/gpu" $gpu.count))) | nindent 12 }}
            {{- else }}
            {{- toYaml $values.resources | nindent 12 }}
            {{- end }}
          securityContext:
            {{- include "kith.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            {{- include "kith.mounts" $root | trim | nindent 12 }}
            - name: state
              mountPath: /var/lib/kith
      volumes:
        {{- include "kith.volumes" $root | trim | nindent 8 }}
        {{- if not $values.persistence.enabled }}
        - name: state
          emptyDir:
            sizeLimit: {{ $values.persistence.size }}
        {{- end }}
  {{- if $values.persistence.enabled }}
  volumeClaimTemplates:
    - metadata:
        name: state
        labels:
          {{- include "kith.selector" . | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $values.persistence.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $values.persistence.size }}
  {{- end }}
{{- end -}}
