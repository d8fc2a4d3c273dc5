namespace Postrider.Core.Serialization;

/// <summary>What a content type says.</summary>
internal static class MediaType
{
    /// <summary><c>application/json; charset=utf-8</c> without what follows the type, in lower case.</summary>
    public static string WithoutParameters(string contentType)
    {
        var parameters = contentType.IndexOf(';', StringComparison.Ordinal);
        return (parameters < 0 ? contentType : contentType[..parameters]).Trim().ToLowerInvariant();
    }

    /// <summary><c>…/json</c> or <c>…+json</c>.</summary>
    public static bool IsJson(string contentType) =>
        WithoutParameters(contentType) is var type && (type.EndsWith("/json", StringComparison.Ordinal) || type.EndsWith("+json", StringComparison.Ordinal));
}
