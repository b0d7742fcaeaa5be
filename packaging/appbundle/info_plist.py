"""Info.plist: what macOS reads of the application before it starts it."""

from __future__ import annotations

import plistlib
from collections.abc import Mapping

from appbundle.layout import APP_NAME, BUNDLE_ID, EXECUTABLE, ICON_NAME, MINIMUM_MACOS

# A folder, and the data files that the window takes: as a viewer and never as the default application.
DOCUMENT_TYPES = (
    {
        "CFBundleTypeName": "Folder",
        "CFBundleTypeRole": "Viewer",
        "LSHandlerRank": "Alternate",
        "LSItemContentTypes": ["public.folder"],
    },
    {
        "CFBundleTypeName": "Training data",
        "CFBundleTypeRole": "Viewer",
        "LSHandlerRank": "Alternate",
        "CFBundleTypeExtensions": ["jsonl", "json", "csv", "tsv", "parquet"],
    },
)


def info_plist(version: str) -> dict[str, object]:
    """The keys for `version`, for example "0.1.0"."""
    return {
        "CFBundleDevelopmentRegion": "en",
        "CFBundleDisplayName": APP_NAME,
        "CFBundleDocumentTypes": [dict(kind) for kind in DOCUMENT_TYPES],
        "CFBundleExecutable": EXECUTABLE,
        "CFBundleIconFile": ICON_NAME,
        "CFBundleIdentifier": BUNDLE_ID,
        "CFBundleInfoDictionaryVersion": "6.0",
        "CFBundleName": APP_NAME,
        "CFBundlePackageType": "APPL",
        "CFBundleShortVersionString": version,
        "CFBundleSupportedPlatforms": ["MacOSX"],
        "CFBundleVersion": version,
        "LSApplicationCategoryType": "public.app-category.developer-tools",
        "LSArchitecturePriority": ["arm64"],
        "LSMinimumSystemVersion": MINIMUM_MACOS,
        "LSMultipleInstancesProhibited": True,
        "LSRequiresNativeExecution": True,
        "NSHighResolutionCapable": True,
        "NSHumanReadableCopyright": "MIT licence; see THIRD_PARTY.txt for what it contains",
        "NSPrincipalClass": "NSApplication",
        "NSRequiresAquaSystemAppearance": False,
        "NSSupportsAutomaticGraphicsSwitching": True,
        # A quit in the middle of a training step must reach the application.
        "NSSupportsAutomaticTermination": False,
        "NSSupportsSuddenTermination": False,
    }


def encoded(properties: Mapping[str, object]) -> bytes:
    return plistlib.dumps(dict(properties), sort_keys=True)
