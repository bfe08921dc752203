// OHIF's settings for this archive: its own DICOMweb, on the same server, and nothing else.
window.config = {
  name: "archimage",
  routerBasename: "/ohif",
  extensions: [],
  modes: [],
  customizationService: { global: { "ohif.tours": { $set: [] } } }, // the tour of the first visit covers the image
  whiteLabeling: {
    createLogoComponentFn: (React) =>
      React.createElement(
        "a",
        { href: "/", title: "archimage: all studies", className: "text-foreground text-lg font-semibold px-2" },
        "archimage",
      ),
  },
  showStudyList: true,
  maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  groupEnabledModesFirst: true,
  investigationalUseDialog: { option: "never" },
  maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
  defaultDataSourceName: "archimage",
  dataSources: [
    {
      namespace: "@ohif/extension-default.dataSourcesModule.dicomweb",
      sourceName: "archimage",
      configuration: {
        friendlyName: "archimage",
        name: "archimage",
        qidoRoot: "/dicom-web",
        wadoRoot: "/dicom-web",
        stowRoot: "/dicom-web",
        wadoUriRoot: "/dicom-web",
        qidoSupportsIncludeField: true,
        supportsFuzzyMatching: true,
        supportsWildcard: true,
        supportsReject: false,
        imageRendering: "wadors",
        thumbnailRendering: "thumbnail",
        enableStudyLazyLoad: true,
        singlepart: "bulkdata,video,pdf",
        bulkDataURI: { enabled: true, relativeResolution: "studies" },
        dicomUploadEnabled: true,
      },
    },
  ],
};
