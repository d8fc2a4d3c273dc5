using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;

namespace Postrider.Dashboard;

/// <summary>What went wrong, for whoever looks at the page. Anything else is the application's own to report.</summary>
internal sealed record Problem(int Status, string Title, string Text)
{
    public static Problem? Of(Exception e) => e switch
    {
        InputException => new(StatusCodes.Status400BadRequest, "This cannot be done", e.Message),
        AntiforgeryValidationException => new(
            StatusCodes.Status400BadRequest, "The form is not valid any more",
            "It did not come from this page, is too old, or another user has signed in since. Nothing was changed. Go back, load the page again, and try again."),
        TransportException { Reason: TransportError.QueueNotFound } => new(StatusCodes.Status404NotFound, "There is no such queue", e.Message),
        TransportException => new(StatusCodes.Status503ServiceUnavailable, "The broker cannot be asked", e.Message),
        MessagingConfigurationException => new(StatusCodes.Status400BadRequest, "This cannot be done", e.Message),
        BadHttpRequestException bad => new(bad.StatusCode, "The request cannot be read", e.Message),
        InvalidDataException => new(StatusCodes.Status400BadRequest, "The form cannot be read", e.Message),
        _ => null,
    };
}

/// <summary>What was typed, or the address, is wrong; the text says what.</summary>
internal sealed class InputException(string message) : Exception(message);
