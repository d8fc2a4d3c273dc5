using Postrider.Core.Decoding;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Requests;

/// <summary>Makes of an answer what was asked for, by the same steps by which a consumer gets its message.</summary>
internal sealed class AnswerReader(Serializers serializers, BodyTransforms transforms, Decoders decoders, int maxBodyBytes)
{
    /// <exception cref="RequestFaultedException">It says that the request has failed.</exception>
    /// <exception cref="MalformedMessageException">It is of another type, or cannot be decoded.</exception>
    public async ValueTask<TResponse> ReadAsync<TResponse>(Envelope answer, string requestId, CancellationToken cancellationToken)
        where TResponse : notnull
    {
        if (answer.Body.Length > maxBodyBytes)
        {
            throw new MalformedMessageException($"The answer to the request {requestId} has {answer.Body.Length} bytes; the limit is {maxBodyBytes}.");
        }

        var buffers = answer.ContentEncoding is null ? null : BodyBuffers.Take(maxBodyBytes);
        try
        {
            answer = buffers is null ? answer : await transforms.RestoreAsync(answer, buffers, cancellationToken).ConfigureAwait(false);
            if (typeof(TResponse) == typeof(ReadOnlyMemory<byte>) && buffers is not null)
            {
                // It is handed out as it is.
                answer = answer with { Body = answer.Body.ToArray() };
            }

            answer = decoders.Decode(answer);
            if (answer.Type == FaultReply.TypeName)
            {
                throw FaultReply.Read(answer.Body, requestId);
            }

            var type = MessageType<TResponse>.Instance;
            return answer.Type is null || type.Name is null || type.IsNamed(answer.Type)
                ? serializers.Decode<TResponse>(answer)
                : throw new MalformedMessageException($"The answer to the request {requestId} is a '{answer.Type}', and a '{type.Name}' was asked for.");
        }
        finally
        {
            buffers?.Return();
        }
    }
}
